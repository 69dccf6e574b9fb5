package main

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

func TestGoldMembersWhoSpendEnoughGetVouchers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if err := local.Run(ctx, &out, "purchases", brokers, false, program); err != nil {
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

const want = `┌─────────────────────────────────────┐
│ Vouchers                            │
├──────────┬─────────────────┬────────┤
│ customer │ email           │ total  │
├──────────┼─────────────────┼────────┤
│ Ada      │ ada@example.com │ 124.95 │
│ Dee      │ unknown         │ 160.65 │
└──────────┴─────────────────┴────────┘
`
