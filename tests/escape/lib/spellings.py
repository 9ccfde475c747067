"""Addresses that nobody may reach, in the ways that programs write and read them."""

# What each leads to: clouds' metadata, this machine, private networks.
ADDRESSES = (
    "169.254.169.254", "169.254.170.2", "169.254.169.253", "100.100.100.200", "168.63.129.16", "192.0.0.192", "127.0.0.1", "0.0.0.0",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
)
NAMES = (
    "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "foo.localhost", "ip6-localhost", "metadata", "metadata.google.internal",
    "METADATA.google.internal.", "instance-data", "instance-data.ec2.internal", "kubernetes.default.svc", "host.docker.internal",
    "host.containers.internal", "gateway.docker.internal", "local", "router.local",
)
WIDE = (
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "[2001:0:a9fe:a9fe::]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fe80::1]", "[fe80::a9fe:a9fe]", "[fec0::1]", "[ff02::1]", "[::1%25lo]",
    "[::ffff:0:127.0.0.1]", "[100::1]", "[::127.0.0.1]", "::1", "[::1", "[[::1]]", "[127.0.0.1]",
)
ODD = (
    "127.0.0.1.", "127.0.0.1%00.example.com", "127.0.0.1\u3002", "①②⑦.⓪.⓪.①", "127。0。0。1", "169.254.169.254.nip.io", "127.0.0.1.nip.io",
    "%31%32%37.0.0.1", "127.0.0.1 ", "127.0.0.1\t", "user@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1#@example.com",
    "127.0.0.1\\@example.com", "example.com\\.127.0.0.1", "ⓛocalhost", "localhost\u00ad", "xn--localhost", "0", "0x0", "00", "1", "-1",
)


def numeric(address):
    """An IPv4 address as C libraries also read it."""
    parts = [int(part) for part in address.split(".")]
    whole = int.from_bytes(bytes(parts), "big")
    yield str(whole)
    yield hex(whole)
    yield "0X%08X" % whole
    yield "0" + oct(whole)[2:]
    yield str(whole + (1 << 32))
    yield ".".join("0" + oct(part)[2:] for part in parts)
    yield ".".join(hex(part) for part in parts)
    yield ".".join("%03d" % part for part in parts)
    yield f"{parts[0]}.{whole & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{whole & 0xFFFF}"
    yield f"{hex(parts[0])}.{parts[1]}.0{oct(parts[2])[2:]}.{parts[3]}"


def every():
    spelled = [*ADDRESSES, *NAMES, *WIDE, *ODD]
    for address in ("169.254.169.254", "127.0.0.1", "10.0.0.1"):
        spelled += numeric(address)
    return list(dict.fromkeys(spelled))
