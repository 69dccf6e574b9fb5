// Command mutate puts deliberate bugs into copies of the library's sources, each behind a switch of its own, and writes
// an overlay for the go command that takes the copies in place of the sources:
//
//	go run ./testkit/sim/mutate build/mutants
//	go test -overlay build/mutants/overlay.json -tags weirmutate -run TestMutants -v ./testkit/sim
//
// The bugs are described in testkit/sim/testdata/mutants.txt. A bug without its place in the code is an error: the
// code has changed, and the bug has to follow.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/weirstreams/weir/testkit/sim/internal/mutants"
)

var packageClause = regexp.MustCompile(`(?m)^package \w+\n`)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mutate DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// write writes the copies and the overlay to dir.
func write(dir string) error {
	bugs, err := mutants.Read("testkit/sim/testdata/mutants.txt")
	if err != nil {
		return err
	}
	sources := map[string]string{}
	for _, bug := range bugs {
		for _, edit := range bug.Edits {
			source, ok := sources[edit.File]
			if !ok {
				data, err := os.ReadFile(edit.File)
				if err != nil {
					return err
				}
				source = string(data)
			}
			if n := strings.Count(source, edit.Old); n != 1 {
				return fmt.Errorf("bug %q: its place is there %d times in %s:\n%s", bug.Name, n, edit.File, edit.Old)
			}
			switched := strings.ReplaceAll(edit.New, "MUTANT", fmt.Sprintf("mutation.Is(%q)", bug.Name))
			sources[edit.File] = strings.Replace(source, edit.Old, switched, 1)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, source := range sources {
		source = packageClause.ReplaceAllString(source, "$0\nimport \"github.com/weirstreams/weir/internal/mutation\"\n")
		from, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		// Not *.go: the go command would take them for a package of the module.
		to, err := filepath.Abs(filepath.Join(dir, strings.ReplaceAll(file, "/", "_")+".mutated"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(source), 0o644); err != nil {
			return err
		}
		overlay.Replace[from] = to
	}
	data, err := json.MarshalIndent(overlay, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), data, 0o644)
}
