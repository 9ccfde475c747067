//! What servers send is read as their own examples have it; what is sent to them is as their own descriptions want it.

mod calls;
mod deliveries;
