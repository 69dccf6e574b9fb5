package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

//go:embed testdata/quickstart.go.txt
var quickstart string

// checkConsumers builds programs outside the repository that require its public modules from a module proxy: one for each
// module, with all of its packages, and the quick start, whose size and number of linked modules it prints.
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
		program := "package main\n\nimport (\n"
		for _, p := range packages {
			program += fmt.Sprintf("\t_ %q\n", p)
		}
		binary, err := buildConsumer(work, strings.ReplaceAll("all of "+m.tag(version), "/", "-"), program+")\n\nfunc main() {}\n", m.path+"@"+version, environment)
		if err != nil {
			return err
		}
		if err := report(out, fmt.Sprintf("%s %s, %d packages", m.path, version, len(packages)), binary); err != nil {
			return err
		}
	}
	binary, err := buildConsumer(work, "quickstart", quickstart, modules[0].path+"@"+version, environment)
	if err != nil {
		return err
	}
	return report(out, "quick start", binary)
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

// publicPackages lists the packages of a module that other modules can import.
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
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s has no package that others can import", m.path)
	}
	return packages, nil
}

// buildConsumer makes a module of one program, and builds it.
func buildConsumer(work, name, program, requires string, environment []string) (binary string, err error) {
	folder := filepath.Join(work, strings.ReplaceAll(name, " ", "-"))
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
	} {
		if _, err := command(folder, environment, "go", args...); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return filepath.Join(folder, "consumer.exe"), nil
}

// report prints the size of a program and the number of modules that are linked into it.
func report(out io.Writer, name, binary string) error {
	file, err := os.Stat(binary)
	if err != nil {
		return err
	}
	linked, err := command(filepath.Dir(binary), nil, "go", "version", "-m", binary)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%-60s %3d modules linked, %.1f MB\n", name, strings.Count(linked, "\n\tdep\t"), float64(file.Size())/1e6)
	return nil
}
