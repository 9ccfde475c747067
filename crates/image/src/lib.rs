//! # outwork-image
