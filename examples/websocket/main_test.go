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

func TestSpreadsAreWrittenWhenTheyChange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if err := local.Run(ctx, &out, "websocket", brokers, false, program); err != nil {
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

const want = `{"value":{"product":"WATER-EUR","spread":0.5}}
{"value":{"product":"STEEL-EUR","spread":2}}
{"value":{"product":"WATER-EUR","spread":0.25}}
{"value":{"product":"STEEL-EUR","spread":3}}
6 messages came over a websocket
`
