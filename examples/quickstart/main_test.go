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

func TestWordsAreSplitAndMeasured(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if err := local.Run(ctx, &out, "quickstart", brokers, false, program); err != nil {
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

const want = `{"value":{"word":"Rivers","length":6}}
{"value":{"word":"bend","length":4}}
{"value":{"word":"weirs","length":5}}
{"value":{"word":"hold","length":4}}
{"value":{"word":"water","length":5}}
{"value":{"word":"back","length":4}}
{"value":{"word":"topic","length":5}}
{"value":{"word":"records","length":7}}
{"value":{"word":"Streams","length":7}}
{"value":{"word":"never","length":5}}
`
