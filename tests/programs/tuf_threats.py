"""The threats of docs/threats.md against python-tuf's own client, each on a repository made for it in memory.

Prints one JSON object: by threat, "refused: ERROR" or "taken". What is served is what an attacker on the way, on the
mirror, or with a stolen key could serve.
"""

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError, SlowRetrievalError
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

NAME = "8650_V4.42.0.upg"
ROLES = ("root", "timestamp", "snapshot", "targets")
SOON = datetime.now(timezone.utc) + timedelta(days=30)


class Repository(FetcherInterface):
    """A repository with one target, served from memory, and what it may be asked to do wrong."""

    def __init__(self, content: bytes = b"release 4.42.0") -> None:
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.content = content
        self.served = {}
        self.asked_bytes = 0
        roles = {role: Role([], 1) for role in ROLES}
        root = Root(expires=SOON, roles=roles, consistent_snapshot=False)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self.root = Metadata(root)
        self.targets = Metadata(Targets(expires=SOON))
        self.targets.signed.targets[NAME] = TargetFile.from_data(NAME, content, ["sha256"])
        self.snapshot = Metadata(Snapshot(expires=SOON))
        self.timestamp = Metadata(Timestamp(expires=SOON))
        self.root.sign(self.signers["root"])
        self.first_root = self.root.to_bytes()
        self.publish()

    def publish(self) -> None:
        """Signs everything as it is now; the versions are the caller's."""
        self.targets.sign(self.signers["targets"])
        self.snapshot.signed.meta["targets.json"] = MetaFile(self.targets.signed.version)
        self.snapshot.sign(self.signers["snapshot"])
        self.timestamp.signed.snapshot_meta = MetaFile(self.snapshot.signed.version)
        self.timestamp.sign(self.signers["timestamp"])
        for role in ("targets", "snapshot", "timestamp"):
            self.served[f"{role}.json"] = getattr(self, role).to_bytes()
        self.served[NAME] = self.content

    def next_release(self, content: bytes) -> None:
        self.content = content
        self.targets.signed.targets[NAME] = TargetFile.from_data(NAME, content, ["sha256"])
        for role in (self.targets, self.snapshot, self.timestamp):
            role.signed.version += 1
        self.publish()

    def next_root(self) -> None:
        self.root.signed.version += 1
        self.root.sign(self.signers["root"])
        self.served[f"{self.root.signed.version}.root.json"] = self.root.to_bytes()

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rsplit("/", 1)[-1]
        if name not in self.served:
            raise DownloadHTTPError("not there", 404)
        served = self.served[name]
        pieces = iter([served]) if isinstance(served, bytes) else served()
        for piece in pieces:
            self.asked_bytes += len(piece)
            yield piece


class Client:
    """A client that keeps what it has believed, as one on a disk does."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.home = tempfile.mkdtemp()
        self.believes = repository.first_root

    def update(self, name: str = NAME) -> str:
        config = UpdaterConfig(prefix_targets_with_hash=False)
        files = os.path.join(self.home, "files")
        os.makedirs(files, exist_ok=True)
        updater = Updater(
            self.home, "http://x/", files, "http://x/", fetcher=self.repository, config=config, bootstrap=self.believes
        )
        self.believes = None
        try:
            updater.refresh()
            found = updater.get_targetinfo(name)
            if found is None:
                return "refused: not a target of this repository"
            updater.download_target(found, os.path.join(files, "target"))
            return "taken"
        except (RepositoryError, DownloadError, SlowRetrievalError) as error:
            return f"refused: {type(error).__name__}"


def good() -> tuple[Repository, Client]:
    repository = Repository()
    client = Client(repository)
    assert client.update() == "taken", "what is good must be taken, or no refusal means anything"
    return repository, client


def arbitrary_software() -> str:
    repository, client = good()
    repository.next_release(b"release 4.43.0")
    repository.served[NAME] = b"not what was signed"
    return client.update()


def unsigned() -> str:
    repository, client = good()
    repository.next_release(b"release 4.43.0")
    stripped = Metadata.from_bytes(repository.served["timestamp.json"])
    stripped.signatures.clear()
    repository.served["timestamp.json"] = stripped.to_bytes()
    return client.update()


def stranger() -> str:
    repository, client = good()
    repository.signers["timestamp"] = CryptoSigner.generate_ed25519()
    repository.timestamp.signatures.clear()
    repository.next_release(b"release 4.43.0")
    return client.update()


def rollback() -> str:
    repository, client = good()
    old = copy.deepcopy(repository.served)
    repository.next_release(b"release 4.43.0")
    assert client.update() == "taken"
    repository.served = old
    return client.update()


def freeze() -> str:
    repository = Repository()
    repository.timestamp.signed.expires = datetime.now(timezone.utc) - timedelta(days=1)
    repository.publish()
    return Client(repository).update()


def mix_and_match() -> str:
    repository, client = good()
    old = repository.served["targets.json"]
    repository.next_release(b"release 4.43.0")
    repository.served["targets.json"] = old
    return client.update()


def endless_data() -> str:
    repository, client = good()
    repository.next_release(b"release 4.43.0")

    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    repository.served[NAME] = forever
    repository.asked_bytes = 0
    verdict = client.update()
    assert repository.asked_bytes < 1 << 20, "it must stop early"
    return verdict


def endless_metadata() -> str:
    repository, client = good()

    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    repository.served["timestamp.json"] = forever
    return client.update()


def truncated() -> str:
    repository, client = good()
    repository.next_release(b"release 4.43.0")
    repository.served[NAME] = repository.content[:-1]
    return client.update()


def wrong_product() -> str:
    _, client = good()
    return client.update("9510_V4.42.0.upg")


def extraneous_dependencies() -> str:
    repository, client = good()
    repository.served["extra.upg"] = b"more than was asked for"
    return client.update("extra.upg")


def key_revoked() -> str:
    repository, client = good()
    stolen = repository.signers["timestamp"]
    repository.signers["timestamp"] = CryptoSigner.generate_ed25519()
    repository.root.signed.revoke_key(stolen.public_key.keyid, "timestamp")
    repository.root.signed.add_key(repository.signers["timestamp"].public_key, "timestamp")
    repository.next_root()
    repository.timestamp.signatures.clear()
    repository.next_release(b"release 4.43.0")
    assert client.update() == "taken"
    repository.signers["timestamp"] = stolen
    repository.timestamp.signatures.clear()
    repository.next_release(b"release 4.44.0")
    return client.update()


def key_compromise() -> str:
    repository, client = good()
    # Whoever has every online key, but not the root's, signs what he likes.
    repository.next_release(b"evil")
    return client.update()


def slow_retrieval() -> str:
    return "not run: it is the fetcher's time-out, which this program replaces"


THREATS = {
    threat.__name__: threat
    for threat in (
        arbitrary_software,
        unsigned,
        stranger,
        rollback,
        freeze,
        mix_and_match,
        endless_data,
        endless_metadata,
        truncated,
        wrong_product,
        extraneous_dependencies,
        key_revoked,
        key_compromise,
        slow_retrieval,
    )
}

if __name__ == "__main__":
    print(json.dumps({name: threat() for name, threat in THREATS.items()}, indent=1))
