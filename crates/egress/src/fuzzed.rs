//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

pub use crate::gateway::fuzzed::usage;
pub use crate::proxy::fuzzed::{client_hello, target};

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("egress_client_hello", super::client_hello);
        each("egress_target", super::target);
        each("egress_usage", super::usage);
    }
}
