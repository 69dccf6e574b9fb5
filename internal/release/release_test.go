package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes a Git repository of two modules, of which the second one requires the first one.
func repository(t *testing.T, changelog string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"CHANGELOG.md":     changelog,
		"go.mod":           "module example.com/weir\n\ngo 1.27\n",
		"weir.go":          "package weir\n",
		"sub/deep/go.mod":  "module example.com/weir/sub/deep\n\ngo 1.27\n\nrequire example.com/weir v0.1.0\n\nreplace example.com/weir => ../..\n",
		"sub/deep/deep.go": "package deep\n\nimport _ \"example.com/weir\"\n",
		"bench/go.mod":     "module example.com/weir/bench\n\ngo 1.27\n\nrequire example.com/weir/sub/deep v0.1.0\n",
	} {
		write(t, filepath.Join(root, name), content)
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"config", "user.name", "Test"},
		{"config", "user.email", "test@example.com"},
		{"add", "--all"},
		{"commit", "--quiet", "--message", "First"},
	} {
		if _, err := git(root, args...); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func modulesOf(t *testing.T, root string) []*goModule {
	t.Helper()
	modules, err := findModules(root)
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

func TestADryRunNamesEachStepAndChangesNothing(t *testing.T) {
	root := repository(t, "# Changelog\n\n## v0.2.0 (2026-12-01)\n")
	var out bytes.Buffer
	if err := release(root, modulesOf(t, root), "v0.2.0", false, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"require v0.2.0 in sub/deep/go.mod\n", "tag v0.2.0\n", "tag sub/deep/v0.2.0\n", "dry run"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "tag bench/") {
		t.Errorf("the benchmarks are published:\n%s", out.String())
	}
	if status, err := git(root, "status", "--porcelain"); err != nil || status != "" {
		t.Errorf("changed: %q, %v", status, err)
	}
	if tags, err := git(root, "tag", "--list"); err != nil || tags != "" {
		t.Errorf("tags: %q, %v", tags, err)
	}
}

func TestEverythingThatPreventsAReleaseIsReported(t *testing.T) {
	root := repository(t, "# Changelog\n\n## Unreleased\n")
	if _, err := git(root, "tag", "sub/deep/v0.2.0"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := release(root, modulesOf(t, root), "v0.2.0", true, &bytes.Buffer{})
	for _, want := range []string{"not committed", `no section "## v0.2.0"`, "a tag sub/deep/v0.2.0 already"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAModuleRequiresTheVersionThatIsReleased(t *testing.T) {
	root := repository(t, "")
	modules := modulesOf(t, root)
	for _, m := range modules {
		if err := setVersion(root, m, "v0.2.0"); err != nil {
			t.Fatal(err)
		}
	}
	if version, err := requiredVersion(modulesOf(t, root)); err != nil || version != "v0.2.0" {
		t.Errorf("got %q, %v", version, err)
	}
}

func TestModulesComeBehindThoseThatTheyRequire(t *testing.T) {
	var paths []string
	for _, m := range modulesOf(t, repository(t, "")) {
		paths = append(paths, m.path)
	}
	if got, want := strings.Join(paths, " "), "example.com/weir example.com/weir/sub/deep example.com/weir/bench"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheModulesOfTheRepositoryRequireOneReleasedVersion(t *testing.T) {
	version, err := requiredVersion(modulesOf(t, "../.."))
	if err != nil || version == "v0.0.0" {
		t.Errorf("version %q, %v", version, err)
	}
}

func TestAQuickStartThatIsTooHeavyIsRefused(t *testing.T) {
	bound := weight{modules: 60, bytes: 1_000_000}
	for _, c := range []struct {
		weight weight
		heavy  bool
	}{
		{weight{60, 1_000_000}, false},
		{weight{61, 1_000_000}, true},
		{weight{60, 1_000_001}, true},
	} {
		if err := bound.check(c.weight); (err != nil) != c.heavy {
			t.Errorf("%+v: %v", c.weight, err)
		}
	}
}

func TestAProgramIsWeighed(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := weigh(binary)
	if err != nil {
		t.Fatal(err)
	}
	if w.modules != 1 || w.bytes < 1_000_000 { // golang.org/x/mod
		t.Errorf("got %+v", w)
	}
}

func TestEveryModuleIsInTheWorkspaceAndGetsUpdates(t *testing.T) {
	root := filepath.Join("..", "..")
	modules, err := findModules(root)
	if err != nil {
		t.Fatal(err)
	}
	for file, prefixes := range map[string][]string{"go.work": {"\t./", "\t."}, ".github/dependabot.yml": {"      - /", "      - /"}} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range modules {
			line := prefixes[0] + m.folder
			if m.folder == "" {
				line = prefixes[1]
			}
			if !strings.Contains(string(text), "\n"+line+"\n") {
				t.Errorf("%s does not name the module in folder %q", file, m.folder)
			}
		}
	}
}

func TestAProgramThatRequiresAModuleOfTestsIsRefused(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":             "module example.com/program\n\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.2.3 // indirect\n)\n",
		"vendor/modules.txt": "# example.com/a v1.0.0\n## explicit\nexample.com/a\n# go.uber.org/goleak v1.3.0\ngo.uber.org/goleak\n",
	} {
		write(t, filepath.Join(folder, name), content)
	}
	required, err := requirements(folder)
	if got, want := strings.Join(required, " "), "example.com/a example.com/b go.uber.org/goleak"; err != nil || got != want {
		t.Fatalf("requirements %q, %v; want %q", got, err, want)
	}
	if err := checkRequirements("program", required); err == nil || !strings.Contains(err.Error(), "requires go.uber.org/goleak, which is for tests") {
		t.Errorf("got %v", err)
	}
	if err := checkRequirements("program", required[:2]); err != nil {
		t.Error(err)
	}
}
