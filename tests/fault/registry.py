"""registry - what a registry shows of an image that is pushed there: all of it, or nothing."""
import json
import urllib.error
import urllib.request

from engine import Failed

KINDS = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))


class Registry:
    def __init__(self, image):
        """That which the image comes from, under another name: nothing is known here of what it has."""
        self.port = image.split("/")[0].rpartition(":")[2]

    def reference(self, name):
        return f"localhost:{self.port}/{name}:1"

    def get(self, path, method="GET"):
        """None: it is not there."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2/{path}", method=method, headers={"Accept": KINDS})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise Failed(f"{path}: {error}")
            return None

    def has(self, name):
        """False: nobody sees anything of it.  What is seen is whole: no document without all that it names."""
        text = self.get(f"{name}/manifests/1")
        if text is None:
            return False
        manifest = json.loads(text)
        for part in [manifest["config"], *manifest["layers"]]:
            if self.get(f"{name}/blobs/{part['digest']}", "HEAD") is None:
                raise Failed(f"{name}: the registry has a manifest without {part['digest']}")
        return True
