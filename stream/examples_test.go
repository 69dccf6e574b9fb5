package stream_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// withoutExample are exported names that need none: accessors, texts, and what is for other packages.
var withoutExample = map[string]bool{
	"Topic_Name": true, "Topic_KeyCodec": true, "Topic_ValueCodec": true,
	"Change_String": true, "Finding_String": true, "ValidationError_Error": true, "ValidationError_Unwrap": true,
	"Topology_Graph": true,
}

// Every exported function and method has a runnable example.
func TestEverythingHasAnExample(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	declared, examples := exported(t), map[string]bool{}
	fset := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Example") {
				continue
			}
			if !checksOutput(file, f) {
				t.Errorf("%s: %s has no // Output, and is not run", fset.Position(f.Pos()), f.Name.Name)
			}
			name := strings.TrimPrefix(f.Name.Name, "Example")
			examples[name] = true
			if i := strings.LastIndexByte(name, '_'); i >= 0 && !ast.IsExported(name[i+1:]) {
				examples[name[:i]] = true
			}
		}
	}
	for name, at := range declared {
		if !examples[name] && !withoutExample[name] {
			t.Errorf("%s: there is no Example%s", at, name)
		}
	}
	for name := range withoutExample {
		if _, ok := declared[name]; !ok || examples[name] {
			t.Errorf("%s is not there, or has an example", name)
		}
	}
	if len(declared) < 100 {
		t.Errorf("only %d functions were found", len(declared))
	}
}

// exampleName is what follows "Example" for an exported function or method of an exported type, else "".
func exampleName(f *ast.FuncDecl) string {
	if !f.Name.IsExported() {
		return ""
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
			continue
		case *ast.IndexExpr:
			of = t.X
			continue
		case *ast.IndexListExpr:
			of = t.X
			continue
		case *ast.Ident:
			if t.IsExported() {
				return t.Name + "_" + f.Name.Name
			}
		}
		return ""
	}
}

// checksOutput reports whether an example ends in a comment with its output.
func checksOutput(file *ast.File, f *ast.FuncDecl) bool {
	for _, group := range file.Comments {
		if group.Pos() > f.Body.Pos() && group.End() < f.Body.End() {
			if text := strings.ToLower(group.Text()); strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:") {
				return true
			}
		}
	}
	return false
}

// Every operator is in the tables of what all operators must do, and among the benchmarks.
func TestEveryOperatorIsInTheTables(t *testing.T) {
	// Measured elsewhere: windows and joins have benchmarks of their own, PrintWith and GroupByWith are what these call, and
	// what Collect keeps grows with each record. MapAsync is measured by the calls that it makes at a time (async_bench_test.go). What a sink gets is tested in internal/operatortest/sink_test.go, and joins with what is not a stream
	// or a table of the task where they are.
	notMeasured := regexp.MustCompile(`Join|^MapAsync|^WithoutChangelog$|^(Try)?GroupBy(Record)?$|^(GroupByKey|Print|Collect|Sink|Window)$`)
	notInTables := regexp.MustCompile(`^(Print|Sink|Window|WithoutChangelog)$|Join(Lookup|Global)`)
	for _, table := range []struct {
		files []string
		not   *regexp.Regexp
	}{
		{inFolder(filepath.Join("internal", "operatortest"), "operators_test.go", "operators_all_test.go", "operators_join_test.go"), notInTables},
		{inFolder(filepath.Join("..", "operator", "internal", "benchtest"), "each_bench_test.go", "each_all_bench_test.go", "each_records_bench_test.go"), notMeasured},
	} {
		var text strings.Builder
		for _, name := range table.files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(data)
		}
		for name := range exported(t) {
			of, method, ok := strings.Cut(name, "_")
			if ok && (of == "Stream" || of == "Branches") && !table.not.MatchString(method) && !strings.Contains(text.String(), "."+method+"(") {
				t.Errorf("%s is not in %s", name, strings.Join(table.files, ", "))
			}
		}
	}
}

// inFolder returns the paths of files.
func inFolder(folder string, names ...string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}

// exported returns the exported functions and methods of the package, as names of examples.
func exported(t *testing.T) map[string]token.Position {
	t.Helper()
	declared := map[string]token.Position{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if name := exampleName(f); name != "" {
					declared[name] = fset.Position(f.Pos())
				}
			}
		}
	}
	return declared
}
