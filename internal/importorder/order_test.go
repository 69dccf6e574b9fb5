// Package importorder checks the order of imports that DESIGN.md states.
package importorder

import (
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weirstreams/weir"

// layers are the packages of the module from the bottom up. A name stands for its sub-packages too, unless they are named
// themselves. A package imports packages of layers below its own, and sub-packages of its own name.
var layers = [][]string{
	{
		"secret", "internal/ability", "internal/background", "internal/backoff", "internal/clock", "internal/clone", "internal/filelock", "internal/inline", "internal/joining", "internal/jsontext", "internal/layered", "internal/longtest", "internal/measure", "internal/mqtt", "internal/murmur2", "internal/panics", "internal/replay",
		"internal/gatetest", "internal/mutation", "internal/nettest", "internal/notshown", "internal/portaltest", "internal/secrettest", "internal/testserver", "internal/testtimes", "internal/topicname", "internal/topicsetting", "internal/tracetest", "internal/wake", "internal/windowing",
	},
	{"codec", "internal/apilist", "internal/kafkatest"},
	{"internal/raw"},
	{"internal/errorpolicy", "internal/letter", "internal/typename"},
	{"internal/state"},
	{"store"},
	{"window"},
	{"row"},
	{"internal/connector"},
	{"format"},
	{"internal/console"},
	{"join"},
	{"sink", "source"},
	{"internal/benchtest", "internal/changetest", "internal/filesink", "internal/filesource"},
	{"sink/internal/stage"},
	{"sink/csv", "sink/file", "source/file"},
	{"source/csv", "internal/filetest"},
	{"operator"},
	{"internal/graph", "internal/sourcing"},
	{"internal/drawing"},
	{"internal/broker"},
	{"internal/kafkaclient"},
	{"stream"},
	{"internal/engine"},
	{"kafka"},
	{"deadletter"},
	{"runtime", "testkit", "quixcloud/config", "quixcloud/portal", "sink/kafka", "source/kafka"},
	{"quixcloud", "source/quix"},
	{"examples", "internal/compilecost", "internal/killtest", "internal/nulltest", "operator/internal/operatortest", "stream/internal/streamtest"},
	{"docs"},
}

// layerOf returns the layer of a package, and the name that it is listed under.
func layerOf(pkg string) (layer int, name string) {
	for name = pkg; name != "."; name = path.Dir(name) {
		for i, names := range layers {
			for _, n := range names {
				if n == name {
					return i, name
				}
			}
		}
	}
	return -1, ""
}

// skipped reports whether a folder is no part of the module: hidden, test data, built, or a module of its own.
func skipped(folder, name string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return !errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(name, ".") || name == "testdata" || name == "build"
}

func TestImportsGoInTheOrderOfTheDesign(t *testing.T) {
	files := 0
	err := walkSources(filepath.Join("..", ".."), func(file, pkg string) error {
		layer, name := layerOf(pkg)
		if pkg == "." {
			layer, name = 0, "the root package" // it is the vocabulary of all layers, and below all
		}
		if layer < 0 {
			t.Errorf("%s is in no layer: add it to the table", pkg)
			return nil
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, spec := range source.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imported, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			if below, importedName := layerOf(imported); importedName != name && (below < 0 || below >= layer) {
				t.Errorf("%s imports %s/%s, which is not below %s", filepath.ToSlash(file), module, imported, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Error("no file was found")
	}
}
