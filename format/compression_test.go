package format_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/weirstreams/weir/format"
)

func TestCompressedContentComesBackAlsoInSeveralParts(t *testing.T) {
	for name, c := range map[string]format.Compression{"a.jsonl": format.Uncompressed, "a.jsonl.gz": format.Gzip, "a.jsonl.gzip": format.Gzip, "a.csv.zst": format.Zstd, "zst": format.Uncompressed} {
		if got := format.CompressionOf(name); got != c {
			t.Errorf("%s: %v", name, got)
		}
		var out bytes.Buffer
		for range 2 {
			w, err := c.NewWriter(&out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("text\n")); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := c.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != "text\ntext\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := format.Compression(9).NewWriter(nil); err == nil {
		t.Error("an unknown compression is taken")
	}
}
