package importorder

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// rooms are the folders whose packages have a limit of files, with their sub-packages.
var rooms = []string{"internal/engine", "internal/broker/saramabroker"}

const (
	// maxFiles is how many files, without tests, a package of a room has at most: one with more holds a second concept.
	maxFiles = 25
	// maxWorkerMethods and maxWorkerFields bound engine.Worker, which conducts the types of its package: work that needs some of its fields
	// only belongs to one of them.
	maxWorkerMethods = 57
	maxWorkerFields  = 20
)

func TestRoomsHaveFewFiles(t *testing.T) {
	files := map[string]int{}
	err := walkSources(filepath.Join("..", ".."), func(_, pkg string) error {
		for _, room := range rooms {
			if pkg == room || strings.HasPrefix(pkg, room+"/") {
				files[pkg]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		if files[room] == 0 {
			t.Errorf("%s has no files: is that its name?", room)
		}
	}
	for pkg, n := range files {
		if n > maxFiles {
			t.Errorf("%s has %d files, and the limit is %d: move a concept to a package of its own", pkg, n, maxFiles)
		}
	}
}

func TestTheWorkerConducts(t *testing.T) {
	methods, fields := 0, 0
	err := walkSources(filepath.Join("..", "..", "internal", "engine"), func(file, pkg string) error {
		if pkg != "." {
			return nil
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range source.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if isWorkerMethod(d) {
					methods++
				}
			case *ast.GenDecl:
				fields += workerFields(t, d)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if methods == 0 || fields == 0 {
		t.Fatalf("found %d methods and %d fields of engine.Worker", methods, fields)
	}
	if methods > maxWorkerMethods {
		t.Errorf("engine.Worker has %d methods, and the limit is %d: give the new one to the type whose fields it uses", methods, maxWorkerMethods)
	}
	if fields > maxWorkerFields {
		t.Errorf("engine.Worker has %d fields, and the limit is %d: put the new one into the type that uses it", fields, maxWorkerFields)
	}
}

// isWorkerMethod reports whether a function is a method of Worker.
func isWorkerMethod(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return false
	}
	receiver := f.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.Name == "Worker"
}

// workerFields returns the number of fields of Worker, if d declares it. An embedded field would bring methods that nobody counts.
func workerFields(t *testing.T, d *ast.GenDecl) (fields int) {
	for _, spec := range d.Specs {
		declared, ok := spec.(*ast.TypeSpec)
		if !ok || declared.Name.Name != "Worker" {
			continue
		}
		for _, field := range declared.Type.(*ast.StructType).Fields.List {
			if len(field.Names) == 0 {
				t.Error("engine.Worker embeds a type: give the field a name")
			}
			fields += len(field.Names)
		}
	}
	return fields
}
