// Package localtest tests example programs by their output.
package localtest

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/examples/internal/local"
)

// Expect runs a program, on the cluster of WEIR_TEST_BROKERS or on a broker of its own, and fails the test, with the
// differences, unless it writes want.
func Expect(t *testing.T, name string, program local.Program, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if err := local.Run(ctx, &out, name, brokers, false, program); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if brokers == "" {
		_, got, _ = strings.Cut(got, "\n") // the address of the broker
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
