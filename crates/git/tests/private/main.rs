//! Private repositories: a server of HTTP with passwords and a server of ssh, both on loopback, before the real git.

mod bed;
mod gateway;
mod http_server;
mod ssh_server;

mod http;
mod ssh;
