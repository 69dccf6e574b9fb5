package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/weirstreams/weir/internal/kafkatest"
)

// command is set in processes that are the command weir, or a program that embeds it, and no test.
const command = "WEIR_TEST_COMMAND"

func TestMain(m *testing.M) {
	switch os.Getenv(command) {
	case "":
		kafkatest.VerifyTestMain(m)
	case "weir":
		main()
	default:
		words()
	}
}

// The scripts of testdata run in a shell, on a cluster of their own or on that of WEIR_TEST_BROKERS. weir and words are the
// programs. go test . -run Scripts -rewrite writes what they print.
func TestScripts(t *testing.T) {
	kafkatest.Parallel(t)
	cluster := kafkatest.Start(t)
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		prefix := cluster.Name("cli") + "-"
		dir := t.TempDir()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := shell(t, dir, d.Input, "BROKERS="+strings.Join(cluster.Brokers, ","), "PREFIX="+prefix)
			return scrub(out, prefix, dir, strings.Join(cluster.Brokers, ","))
		})
	})
}

// shell runs a script with the programs of this module, and returns everything that it prints and its exit code.
func shell(t *testing.T, dir, script string, environment ...string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const programs = "weir() { WEIR_TEST_COMMAND=weir \"$BINARY\" \"$@\"; }\nwords() { WEIR_TEST_COMMAND=words \"$BINARY\" \"$@\"; }\n"
	c := exec.CommandContext(t.Context(), "sh", "-c", programs+script)
	c.Dir = dir
	c.Env = append(os.Environ(), "BINARY="+binary)
	c.Env = append(c.Env, environment...)
	out, err := c.CombinedOutput()
	text := string(out)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		text += fmt.Sprintf("exit %d\n", ended.ExitCode())
	} else if err != nil {
		t.Fatal(err)
	}
	return text
}

var (
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`)
	blanks = regexp.MustCompile(`(?m)[ ]+$`)
)

// scrub replaces everything that differs from run to run.
func scrub(out, prefix, dir, brokers string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		out = strings.ReplaceAll(out, real, "DIR")
	}
	out = strings.NewReplacer(prefix, "cli-", dir, "DIR", brokers, "BROKERS").Replace(out)
	return blanks.ReplaceAllString(times.ReplaceAllString(out, "TIME"), "")
}
