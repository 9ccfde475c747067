//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

pub use crate::gateway::fuzzed::usage;
pub use crate::policy::fuzzed::{domain, request};
pub use crate::proxy::fuzzed::{Range, client_hello, request_head, target};

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("egress_client_hello", super::client_hello);
        each("egress_request_head", super::request_head);
        each("egress_target", super::target);
        each("egress_usage", super::usage);
        each("egress_domain", super::domain);
        each("egress_request", super::request);
        let directory = tempfile::tempdir().expect("a directory");
        let mut range = super::Range::new(directory.path());
        each("egress_proxy", |bytes| range.throw(bytes));
        assert!(range.reached() > 100, "{}", range.reached());
    }
}
