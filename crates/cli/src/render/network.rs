//! What agents may reach and use, as text.

use outwork_api::network::{AgentNetwork, NetworkMethods, NetworkPreset, NetworkTls, Resources};

use crate::size;
use crate::terminal::plain::plain;

/// In a word, for a table: `off`, `all`, `common`, `common+2`, `2 domains`.
pub(crate) fn word(network: &AgentNetwork) -> String {
    let (preset, allow) = match network {
        AgentNetwork::Off {} => return "off".to_owned(),
        AgentNetwork::On { preset, allow, .. } => (preset, allow.len()),
    };
    match (preset, allow) {
        (NetworkPreset::All, _) => "all".to_owned(),
        (NetworkPreset::Common, 0) => "common".to_owned(),
        (NetworkPreset::Common, more) => format!("common+{more}"),
        (NetworkPreset::None, 1) => "1 domain".to_owned(),
        (NetworkPreset::None, several) => format!("{several} domains"),
    }
}

/// The rules apart from the domains: `on: preset common, ports 80 443, all methods, TLS inspected`.
pub(crate) fn rules(network: &AgentNetwork) -> String {
    let (preset, ports, methods, git_push, websocket, tls) = match network {
        AgentNetwork::Off {} => return "off".to_owned(),
        AgentNetwork::On {
            preset,
            allow: _,
            ports,
            methods,
            git_push,
            websocket,
            tls,
        } => (preset, ports, methods, *git_push, *websocket, tls),
    };
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let preset = match preset {
        NetworkPreset::None => "no preset",
        NetworkPreset::Common => "preset common",
        NetworkPreset::All => "every public host",
    };
    let methods = match methods {
        NetworkMethods::All => "all methods",
        NetworkMethods::ReadOnly => "read-only methods",
    };
    let mut facts = vec![
        preset.to_owned(),
        format!("ports {}", ports.join(" ")),
        methods.to_owned(),
    ];
    match tls {
        NetworkTls::Inspect => {
            facts.extend(git_push.then(|| "git push".to_owned()));
            facts.extend(websocket.then(|| "WebSockets".to_owned()));
            facts.push("TLS inspected".to_owned());
        }
        // Whatever is set for pushes and WebSockets: nobody sees which they are.
        NetworkTls::Tunnel => facts.push("TLS passed on unread".to_owned()),
    }
    format!("on: {}", facts.join(", "))
}

/// The domains that are allowed beside the preset.
pub(crate) fn allowed(network: &AgentNetwork) -> impl Iterator<Item = String> {
    let allow = match network {
        AgentNetwork::Off {} => &[][..],
        AgentNetwork::On { allow, .. } => allow,
    };
    allow.iter().map(|domain| plain(domain))
}

/// The limits that are set: name and text.
pub(crate) fn limits(resources: &Resources) -> Vec<(&'static str, String)> {
    let Resources {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    } = *resources;
    let cpus = |millis: u64| match (millis / 1000, millis % 1000) {
        (whole, 0) => whole.to_string(),
        (whole, rest) => format!("{whole}.{rest:03}")
            .trim_end_matches('0')
            .to_owned(),
    };
    let limits = [
        ("memory", memory_bytes.map(size::show_binary)),
        ("cpus", cpu_millis.map(cpus)),
        ("processes", processes.map(|count| count.to_string())),
        ("disk", disk_bytes.map(size::show_binary)),
        ("open files", open_files.map(|count| count.to_string())),
    ];
    limits
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(preset: NetworkPreset, allow: &[&str]) -> AgentNetwork {
        AgentNetwork::On {
            preset,
            allow: allow.iter().map(|&name| name.to_owned()).collect(),
            ports: vec![80, 443],
            methods: NetworkMethods::ReadOnly,
            git_push: true,
            websocket: false,
            tls: NetworkTls::Inspect,
        }
    }

    #[test]
    fn a_network_is_told_in_a_word_and_in_a_line() {
        let off = AgentNetwork::Off {};
        assert_eq!((word(&off), rules(&off)), ("off".into(), "off".into()));
        for (network, expected) in [
            (on(NetworkPreset::None, &[]), "0 domains"),
            (on(NetworkPreset::None, &["a"]), "1 domain"),
            (on(NetworkPreset::Common, &[]), "common"),
            (on(NetworkPreset::Common, &["a", "b"]), "common+2"),
            (on(NetworkPreset::All, &["a"]), "all"),
        ] {
            assert_eq!(word(&network), expected);
        }
        assert_eq!(
            rules(&on(NetworkPreset::Common, &[])),
            "on: preset common, ports 80 443, read-only methods, git push, TLS inspected"
        );
    }

    #[test]
    fn only_limits_that_are_set_are_told() {
        assert_eq!(limits(&Resources::default()), []);
        let resources = Resources {
            memory_bytes: Some(2 << 30),
            cpu_millis: Some(1250),
            ..Resources::default()
        };
        let expected = [("memory", "2 GiB"), ("cpus", "1.25")];
        assert_eq!(
            limits(&resources),
            expected.map(|(name, text)| (name, text.to_owned()))
        );
    }
}
