//go:build unix

package server

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAServerThatIsNotReadyInTimeShowsItsLog(t *testing.T) {
	t.Parallel()
	status, _, err := run(t, role("exits", "0"), Server{Name: "slow", Start: func(ctx context.Context, i *Instance) error {
		_, err := i.Start(ctx, Command{Name: "program", Args: role("never ready"), Within: time.Millisecond},
			func(context.Context, []byte) bool {
				await(t, "output", func() bool {
					output, err := i.Output("program")
					return err == nil && len(output) > 0
				})
				return false
			})
		return err
	}})
	if status != 1 || err == nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []string{"start slow: program: was not ready within 1ms", "still reading the configuration"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in the error: %v", want, err)
		}
	}
}

func TestAServerThatEndsBeforeItIsReadyShowsItsLog(t *testing.T) {
	t.Parallel()
	status, _, err := run(t, role("exits", "0"), running("broken", Command{Name: "program", Args: role("fails")}))
	if status != 1 || err == nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []string{"ended before it was ready: exit status 3", "cannot open the data"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in the error: %v", want, err)
		}
	}
}

func TestTheFailureOfOneServerEndsTheStartOfOthers(t *testing.T) {
	t.Parallel()
	_, _, err := run(t, role("exits", "0"),
		running("waiting", Command{Name: "program", Args: role("never ready"), Within: time.Hour}),
		running("broken", Command{Name: "program", Args: role("fails")}))
	if err == nil || !strings.Contains(err.Error(), "start broken") || strings.Contains(err.Error(), "start waiting") {
		t.Errorf("%v", err)
	}
}

func TestAServerWhosePortWasTakenStartsWithAnother(t *testing.T) {
	t.Parallel()
	_, taken, err := net.SplitHostPort(stranger(t))
	if err != nil {
		t.Fatal(err)
	}
	attempts := 0
	status, messages, err := run(t, role("connects", "WEIR_TEST_SERVER"), Server{Name: "server", Start: func(ctx context.Context, i *Instance) error {
		attempts++
		if attempts > 1 {
			return listening("server", "WEIR_TEST_SERVER").Start(ctx, i)
		}
		i.Export("WEIR_TEST_SERVER", "the address of the first attempt")
		_, err := i.Start(ctx, Command{Name: "server", Args: role("server", taken)}, Prints("serves"))
		return err
	}})
	if status != 0 || err != nil || attempts != 2 {
		t.Errorf("status %d after %d attempts, %v, %s", status, attempts, err, messages)
	}
}

func TestNoPortIsGivenTwice(t *testing.T) {
	t.Parallel()
	var p ports
	seen := map[int]bool{}
	for range 500 {
		port, err := p.free(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("%d was given twice", port)
		}
		seen[port] = true
	}
}
