# SPDX-License-Identifier: LGPL-2.1-or-later
"""certificates: a certificate authority of the world's own, which makes a certificate for each name that a client asks
for, when it asks.

It runs openssl. All certificates share one key, which is all that differs from real ones.
"""
import pathlib
import ssl
import subprocess

CONFIG = """
[ca]
default_ca = world
[world]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
private_key = {folder}/ca.key
certificate = {folder}/ca.pem
[policy]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = names
[names]
"""
VALID = "20200101000000Z", "20491231000000Z"
EXPIRED = "20200101000000Z", "20200102000000Z"
KINDS = ("good", "expired", "wrong-name", "self-signed", "unknown-authority")


class Authority:
    def __init__(self, folder):
        """The folder must exist. `pem` is the path of the authority's certificate."""
        self.folder = pathlib.Path(folder)
        self.pem = self.folder / "ca.pem"
        self.kinds = {}
        self.contexts = {}
        self.others = None
        (self.folder / "index").touch()
        (self.folder / "config").write_text(CONFIG.format(folder=folder))
        for key in ("ca.key", "key"):
            self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.folder / key)
        self.request("ca.key", "The authority of a test")
        self.sign(self.pem, VALID, "-selfsign", "-keyfile", self.folder / "ca.key", "-extensions", "authority")
        self.request("key", "a server")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def request(self, key, subject):
        self.openssl("req", "-new", "-config", self.folder / "config", "-key", self.folder / key,
                     "-subj", f"/CN={subject}", "-out", self.folder / "request")

    def sign(self, output, dates, *arguments):
        self.openssl("ca", "-batch", "-notext", "-config", self.folder / "config", "-startdate", dates[0],
                     "-enddate", dates[1], "-in", self.folder / "request", "-out", output, *arguments)

    def set_kind(self, name, kind):
        """Decides which of KINDS the certificate for a name is from now on."""
        if kind not in KINDS:
            raise ValueError(f"there is no certificate of kind '{kind}'")
        self.kinds[name] = kind
        self.contexts.pop(name, None)

    def make(self, name):
        """Returns the path of a new certificate."""
        kind = self.kinds.get(name, "good")
        output = self.folder / f"{name.replace('/', '_')}.pem"
        extensions = self.folder / "extensions"
        shown = "another-name.example.net" if kind == "wrong-name" else name
        extensions.write_text(f"subjectAltName = DNS:{shown}\nextendedKeyUsage = serverAuth\n")
        if kind == "self-signed":
            self.sign(output, VALID, "-selfsign", "-keyfile", self.folder / "key", "-extfile", extensions)
        elif kind == "unknown-authority":
            self.others = self.others or Authority(make_folder(self.folder / "others"))
            return self.others.make(name)
        else:
            self.sign(output, EXPIRED if kind == "expired" else VALID, "-subj", f"/CN={shown[:60]}", "-extfile", extensions)
        return output

    def key_of(self, name):
        is_other = self.kinds.get(name) == "unknown-authority"
        return (self.others if is_other else self).folder / "key"

    def context(self, name):
        """Returns the TLS context of a server of that name."""
        if name not in self.contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate = self.make(name)
            context.load_cert_chain(certificate, self.key_of(name))
            context.set_alpn_protocols(["http/1.1"])
            self.contexts[name] = context
        return self.contexts[name]

    def server_context(self, note_name):
        """Returns a context that takes the certificate of the name that the client sends. note_name(connection, name) is
        called with it, or with None."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.make("no-name.example.net"), self.folder / "key")
        context.set_alpn_protocols(["http/1.1"])

        def choose(connection, name, _):
            note_name(connection, name)
            if name is not None:
                connection.context = self.context(name)
        context.sni_callback = choose
        return context


def make_folder(path):
    path.mkdir()
    return path
