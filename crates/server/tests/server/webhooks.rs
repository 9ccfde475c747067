//! Webhooks: who is told what happens, and how surely.

mod settings;
