package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

//go:embed testdata/quickstart.go.txt
var quickstart string

// testOnly are modules that tests of the core alone import: a program that requires Weir must not require them. go-cmp is not one:
// package testkit compares with it. go mod tidy reads the tests of the packages that a program imports, so go.sum names these modules,
// and their sources are fetched then; go get and go build do without them.
var testOnly = []string{
	"github.com/twmb/franz-go",
	"github.com/twmb/franz-go/pkg/kfake",
	"go.uber.org/goleak",
}

// checkConsumers builds programs outside the repository that require its public modules from a module proxy: one for each
// module, with all of its packages, and the quick start. It prints their sizes, and the numbers of modules that they link and
// require. No program may require a module that is for tests.
func checkConsumers(root string, modules []*goModule, version string, out io.Writer) error {
	work, err := os.MkdirTemp("", "weir-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	proxy := filepath.Join(work, "proxy")
	if err := writeProxy(proxy, root, modules, version); err != nil {
		return err
	}
	environment, err := consumerEnvironment(work, proxy)
	if err != nil {
		return err
	}
	defer command(work, environment, "go", "clean", "-modcache") // its files are read-only
	for _, m := range modules {
		if !m.public() {
			continue
		}
		packages, err := publicPackages(root, m)
		if err != nil {
			return err
		}
		if len(packages) == 0 { // it is built with the modules that require it
			continue
		}
		program := "package main\n\nimport (\n"
		for _, p := range packages {
			program += fmt.Sprintf("\t_ %q\n", p)
		}
		_, err = checkConsumer(work, fmt.Sprintf("%s %s, %d packages", m.path, version, len(packages)), program+")\n\nfunc main() {}\n", m.path+"@"+version, environment, out)
		if err != nil {
			return err
		}
	}
	small, err := checkConsumer(work, "quick start", quickstart, modules[0].path+"@"+version, environment, out)
	if err != nil {
		return err
	}
	return quickstartBound.check(small)
}

// checkConsumer builds a program, prints what it weighs, and looks for modules that it should not require.
func checkConsumer(work, name, program, requires string, environment []string, out io.Writer) (weight, error) {
	binary, err := buildConsumer(work, name, program, requires, environment)
	if err != nil {
		return weight{}, fmt.Errorf("%s: %w", name, err)
	}
	w, err := weigh(binary)
	if err != nil {
		return weight{}, err
	}
	required, err := requirements(filepath.Dir(binary))
	if err != nil {
		return weight{}, fmt.Errorf("%s: %w", name, err)
	}
	sums, err := os.ReadFile(filepath.Join(filepath.Dir(binary), "go.sum"))
	if err != nil {
		return weight{}, err
	}
	fmt.Fprintf(out, "%-60s %3d modules linked, %3d in go.mod and vendor, %3d lines in go.sum, %.1f MB\n",
		name, w.modules, len(required), strings.Count(string(sums), "\n"), float64(w.bytes)/1e6)
	return w, checkRequirements(name, required)
}

// requirements returns the modules in the go.mod file and in the vendor directory of a program.
func requirements(folder string) (required []string, err error) {
	data, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range file.Require {
		required = append(required, r.Mod.Path)
	}
	list, err := os.ReadFile(filepath.Join(folder, "vendor", "modules.txt"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		if module, ok := strings.CutPrefix(line, "# "); ok {
			module, _, _ = strings.Cut(module, " ")
			required = append(required, module)
		}
	}
	slices.Sort(required)
	return slices.Compact(required), nil
}

// checkRequirements returns an error if a program requires modules that are for tests.
func checkRequirements(name string, required []string) error {
	for _, module := range testOnly {
		if slices.Contains(required, module) {
			return fmt.Errorf("%s: the program requires %s, which is for tests: find the import with go mod why -m in a module that requires Weir, and move it to a _test.go file", name, module)
		}
	}
	return nil
}

// weight is the number of modules that a program links, Weir included, and its size in bytes.
type weight struct{ modules, bytes int }

// quickstartBound is the most that the quick start may weigh. It was 66 modules and 47.8 MB before the examples and the
// aggregators that estimate went to modules and packages of their own. Three modules and 0.7 MB are the API of OpenTelemetry: metrics
// and traces. 0.2 MB let workers answer queries of their stores, which a program links whether or not it asks any.
var quickstartBound = weight{modules: 64, bytes: 45_200_000}

// check returns an error for a program that is heavier.
func (bound weight) check(w weight) error {
	if w.modules > bound.modules || w.bytes > bound.bytes {
		return fmt.Errorf("the quick start links %d modules and has %.1f MB, more than %d and %.1f MB: every user pays for that; "+
			"find the cause with go version -m and go mod why, and move the dependency to a package or module that only its users import, or raise quickstartBound with a reason",
			w.modules, float64(w.bytes)/1e6, bound.modules, float64(bound.bytes)/1e6)
	}
	return nil
}

// weigh returns the weight of a program.
func weigh(binary string) (weight, error) {
	file, err := os.Stat(binary)
	if err != nil {
		return weight{}, err
	}
	linked, err := command(filepath.Dir(binary), nil, "go", "version", "-m", binary)
	if err != nil {
		return weight{}, err
	}
	return weight{strings.Count(linked, "\n\tdep\t"), int(file.Size())}, nil
}

// consumerEnvironment gives a consumer a module cache of its own, because the versions are built anew at each check. Modules
// of others come from the cache of the machine.
func consumerEnvironment(work, proxy string) ([]string, error) {
	cache, err := command(work, nil, "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	upstream, err := command(work, nil, "go", "env", "GOPROXY")
	if err != nil {
		return nil, err
	}
	return []string{
		// Without cgo, which would spend most of the time on the C sources of dependencies.
		"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod -modcacherw -trimpath",
		"GOMODCACHE=" + filepath.Join(work, "modules"),
		"GONOSUMDB=github.com/weirstreams/weir,github.com/weirstreams/weir/*",
		"GOPROXY=file://" + filepath.ToSlash(proxy) + ",file://" + filepath.ToSlash(cache) + "/cache/download," + upstream,
	}, nil
}

// publicPackages lists the packages of a module that other modules can import: none of a shared one.
func publicPackages(root string, m *goModule) ([]string, error) {
	listed, err := command(filepath.Join(root, filepath.FromSlash(m.folder)), []string{"GOWORK=off"}, "go", "list", "-f", "{{.Name}} {{.ImportPath}}", "./...")
	if err != nil {
		return nil, err
	}
	var packages []string
	for line := range strings.Lines(listed) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "main" && !strings.Contains(path+"/", "/internal/") && !strings.Contains(path, "/examples/") && !strings.HasSuffix(path, "/docs") {
			packages = append(packages, path)
		}
	}
	if len(packages) == 0 && !slices.Contains(shared, m.folder) {
		return nil, fmt.Errorf("%s has no package that others can import", m.path)
	}
	return packages, nil
}

// buildConsumer makes a module of one program, and builds it.
func buildConsumer(work, name, program, requires string, environment []string) (binary string, err error) {
	folder := filepath.Join(work, strings.NewReplacer(" ", "-", "/", "-", ",", "").Replace(name))
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(program), 0o644); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"mod", "init", "example.com/consumer"},
		{"get", requires},
		{"mod", "tidy"},
		{"build", "-o", "consumer.exe", "."},
		{"mod", "vendor"},
	} {
		if _, err := command(folder, environment, "go", args...); err != nil {
			return "", err
		}
	}
	return filepath.Join(folder, "consumer.exe"), nil
}
