package localtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir/stream"
)

// pictures are those of the documentation, seen from the folder of an example.
const pictures = "../../docs/images/examples"

// Picture fails the test unless the documentation has the picture of the topology of the example with that name. With
// WEIR_UPDATE_PICTURES=yes in the environment it writes the picture first.
func Picture(t *testing.T, name string, topology *stream.Topology) {
	t.Helper()
	path, want := filepath.Join(pictures, name+".svg"), topology.SVG()
	if os.Getenv("WEIR_UPDATE_PICTURES") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not the picture of the topology (%v): run WEIR_UPDATE_PICTURES=yes go test -run Picture ./... in the folder of the module", path, err)
	}
}
