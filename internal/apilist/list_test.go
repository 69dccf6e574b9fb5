// Package apilist looks over the exported names of the packages that programs import: each has documentation, and each is shown
// somewhere.
package apilist

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/notshown"
)

var update = flag.Bool("update", false, "write the list of names that nothing shows")

const (
	root = "../.."
	// list has the names that no page, example or nested module mentions, below the reasons ("# ...") why programs do without them. It is to
	// become shorter: a new name comes with one of these.
	list = "testdata/notshown.txt"
)

// Every exported name has a comment of its own or of its group, and, unless it is on the list, is mentioned by a page of the
// documentation, an example or a program.
func TestExportedNamesAreDocumentedAndShown(t *testing.T) {
	names, undocumented := exported(t)
	for _, name := range undocumented {
		t.Errorf("%s has no documentation", name)
	}
	shown := mentions(t)
	var missing []string
	for _, name := range names {
		if !shown[name[strings.LastIndexByte(name, '.')+1:]] {
			missing = append(missing, name)
		}
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		text = notshown.Update(text, missing)
		if err := os.WriteFile(list, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, unexplained := notshown.Parse(text)
	for _, name := range unexplained {
		t.Errorf("%s is on the list without a reason: show it, make it unexported, or move it below a reason", name)
	}
	slices.Sort(known)
	if diff := cmp.Diff(known, missing); diff != "" {
		t.Errorf("names that nothing shows (-list +now): give a new one an example or a place in docs/, or make it unexported; take a shown one "+
			"off the list with -update\n%s", diff)
	}
	if len(names) < 500 {
		t.Errorf("only %d names were found", len(names))
	}
}

// skip reports whether a folder holds no package for programs.
func skip(dir string) bool {
	name := path.Base(dir)
	return dir != "." && strings.HasPrefix(name, ".") || slices.Contains([]string{"internal", "testdata", "examples", "docs", "build", "bench", "lint"}, name)
}

// exported returns the exported names of all packages for programs, sorted, and those without documentation.
func exported(t *testing.T) (names, undocumented []string) {
	walk(t, func(dir string) bool { return skip(dir) }, func(file string) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == "main" {
			return
		}
		add := func(name string, documented bool) {
			name = path.Dir(file) + "." + name
			names = append(names, name)
			if !documented {
				undocumented = append(undocumented, name)
			}
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				receiver := receiverOf(d)
				if !d.Name.IsExported() || receiver != "" && !ast.IsExported(receiver) {
					continue
				}
				if receiver != "" {
					receiver += "."
				}
				// A method that implements an interface is documented there, and shown if the interface is.
				if receiver != "" && d.Doc != nil && strings.HasPrefix(d.Doc.Text(), d.Name.Name+" implements [") {
					continue
				}
				// Other packages call these methods by themselves: they need no words and no page.
				if receiver != "" && slices.Contains([]string{"LogValue", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}, d.Name.Name) {
					continue
				}
				add(receiver+d.Name.Name, d.Doc != nil)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() {
							add(spec.Name.Name, d.Doc != nil || spec.Doc != nil)
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							if name.IsExported() {
								add(name.Name, d.Doc != nil || spec.Doc != nil || spec.Comment != nil)
							}
						}
					}
				}
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names), undocumented
}

// receiverOf returns the name of the type of a method, or nothing for a function.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

var word = regexp.MustCompile(`\w+`)

// mentions returns the words of the documentation, of examples, and of programs.
func mentions(t *testing.T) map[string]bool {
	words := map[string]bool{}
	hidden := func(dir string) bool {
		return dir != "." && strings.HasPrefix(path.Base(dir), ".") || path.Base(dir) == "build"
	}
	walk(t, hidden, func(file string) {
		shows := strings.HasPrefix(file, "docs/") || strings.HasPrefix(file, "examples/") || file == "README.md" ||
			strings.HasSuffix(file, "_test.go") && strings.Contains(path.Base(file), "example")
		if !shows {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range word.FindAll(text, -1) {
			words[string(w)] = true
			// ExampleStream_Map shows Map.
			for part := range strings.SplitSeq(string(w), "_") {
				words[strings.TrimPrefix(part, "Example")] = true
			}
		}
	})
	return words
}

// walk calls f with the path of each file below the root of the project, in folders that are not skipped.
func walk(t *testing.T, skip func(dir string) bool, f func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if skip(relative) {
				return fs.SkipDir
			}
			return nil
		}
		f(relative)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
