package longtest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/longtest"
)

// failing makes TestSeedsOfAChild fail, in a process of its own.
const failing = "WEIR_TEST_FAILING_SEED"

func TestSeedsOfAChild(t *testing.T) {
	how := os.Getenv(failing)
	if how == "" {
		t.Skip("the child of other tests")
	}
	tried := 0
	longtest.Seeds(t, 10, func(t *testing.T, seed uint64) {
		tried++
		t.Logf("tried %d", seed)
		switch {
		case seed%4 != 3:
		case how == "at once":
			t.FailNow()
		default:
			t.Fail()
		}
	})
	if tried > 4 {
		t.Errorf("went on after a failure")
	}
}

// child runs TestSeedsOfAChild and returns its output.
func child(t *testing.T, environment ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSeedsOfAChild$", "-test.v")
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the child did not fail:\n%s", out)
	}
	return string(out)
}

func TestAFailedSeedIsTheLastOneAndIsNamed(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"at once", "later"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			out := child(t, failing+"="+how, longtest.SeedVariable+"=")
			tried := regexp.MustCompile(`tried (\d+)`).FindAllStringSubmatch(out, -1)
			if len(tried) == 0 || len(tried) > 4 {
				t.Fatalf("tried %d seeds:\n%s", len(tried), out)
			}
			if want := longtest.SeedVariable + "=" + tried[len(tried)-1][1] + " repeats this"; !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		})
	}
}

func TestAGivenSeedIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	out := child(t, failing+"=later", longtest.SeedVariable+"=7")
	if n := strings.Count(out, "tried"); n != 1 || !strings.Contains(out, "tried 7") {
		t.Errorf("tried %d seeds:\n%s", n, out)
	}
}
