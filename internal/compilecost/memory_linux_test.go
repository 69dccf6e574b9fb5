package compilecost

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirstreams/weir/internal/longtest"
	_ "github.com/weirstreams/weir/stream" // so that a cached result counts for these sources alone
	_ "github.com/weirstreams/weir/testkit"
)

// memoryBudget is the most memory, in bytes, that the compiler may take for a package of tests.
const memoryBudget = 800 << 20

// Packages of tests that use many types instantiate the library for each of them, and a machine compiles several at once. With
// WEIR_TEST_LONG alone, as in CI, because it compiles many packages.
func TestPackagesOfTestsCompileInLittleMemory(t *testing.T) {
	if longtest.Cases(0, 1) == 0 {
		t.Skip("WEIR_TEST_LONG is not set")
	}
	for _, pkg := range []string{ // the largest: the others take less than three quarters of the budget
		"stream", "stream/internal/valuetest", "stream/internal/tabletest", "stream/internal/aggregatetest", "testkit", "window",
		"operator/internal/windowtest", "operator/internal/jointest", "operator/internal/benchtest",
	} {
		t.Run(pkg, func(t *testing.T) {
			dir := filepath.Join("..", "..", pkg)
			peak := compile(t, dir)
			if peak > memoryBudget { // the garbage collector of the compiler may have come late
				peak = min(peak, compile(t, dir))
			}
			t.Logf("%d MiB of at most %d MiB", peak>>20, memoryBudget>>20)
			if peak > memoryBudget || peak < 50<<20 {
				t.Errorf("the compiler takes %d MiB for the tests of %s: want 50 to %d MiB. Share types between tests, or move tests that use types of "+
					"their own to a package beside it", peak>>20, pkg, memoryBudget>>20)
			}
		})
	}
}

// compile compiles the external tests of the package in a folder, and returns the peak of the compiler's memory in bytes.
func compile(t *testing.T, dir string) int64 {
	t.Helper()
	goCommand := func(args ...string) string {
		command := exec.CommandContext(t.Context(), "go", args...)
		command.Dir, command.Stderr = dir, os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args[:2], " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	names := goCommand("list", "-f", `{{join .XTestGoFiles " "}}`, ".")
	if names == "" {
		t.Fatalf("no external tests in %s", dir)
	}
	for name := range strings.FieldsSeq(names) { // a cached result of this test counts for these files alone
		if _, err := os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	imports := strings.Fields(goCommand("list", "-f", `{{join .XTestImports " "}}`, "."))
	packages := goCommand(append([]string{"list", "-deps", "-export", "-f", "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}"}, imports...)...)
	config := filepath.Join(t.TempDir(), "importcfg")
	if err := os.WriteFile(config, []byte(packages+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), goCommand("tool", "-n", "compile"),
		append([]string{"-c", "2", "-p", "tests", "-importcfg", config, "-pack", "-o", filepath.Join(t.TempDir(), "tests.a")}, strings.Fields(names)...)...)
	run.Dir, run.Env = dir, append(os.Environ(), "GOMAXPROCS=2") // and -c 2: a compiler takes more memory with more processors
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return run.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10 // it is in KiB
}
