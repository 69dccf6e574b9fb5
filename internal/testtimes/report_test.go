package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// module writes a module of three packages: one passes, one fails, and one does not compile.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":              "module example.com/m\n\ngo 1.27\n",
		"good/good_test.go":   "package good\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Log(\"fine\") }\n",
		"bad/bad_test.go":     "package bad\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Error(\"the cause\") }) }\n\nfunc TestOther(t *testing.T) { t.Log(\"of no interest\") }\n",
		"crash/crash_test.go": "package crash\n\nimport \"testing\"\n\nfunc TestCrash(t *testing.T) { t.Log(\"before\"); panic(\"the panic\") }\n",
		"broken/broken.go":    "package broken\n\nvar x int = \"text\"\n",
		"broken/b_test.go":    "package broken\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFailuresAreReadableAndEachPackageHasATime(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
	cmd.Dir, cmd.Env = module(t), append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	events, _ := cmd.Output() // go test fails
	var out bytes.Buffer
	times, err := report(bytes.NewReader(events), &out, false)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for _, p := range times {
		results[p.name] = p.result
	}
	want := map[string]string{"example.com/m/good": "ok", "example.com/m/bad": "FAIL", "example.com/m/crash": "FAIL", "example.com/m/broken": "FAIL"}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for _, text := range []string{
		"ok  \texample.com/m/good", "FAIL\texample.com/m/bad", "--- FAIL: TestBad", "the cause", "cannot use \"text\"", "panic: the panic", "before",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out.String())
		}
	}
	for _, text := range []string{"of no interest", "fine", "=== RUN", "\nPASS\n"} {
		if strings.Contains(out.String(), text) {
			t.Errorf("%q in\n%s", text, out.String())
		}
	}
}

func TestTheTableGrowsWithEachStepAndBeginsWithTheSlowestPackage(t *testing.T) {
	t.Parallel()
	table := filepath.Join(t.TempDir(), "packages.txt")
	if err := add(table, "first", []packageTime{{"quick", 0.5, "ok"}, {"slow", 3, "FAIL"}}); err != nil {
		t.Fatal(err)
	}
	if err := add(table, "second", []packageTime{{"quick", 1, "ok"}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff([]string{"3.0s FAIL slow first", "0.5s ok quick first", "1.0s ok quick second"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
