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

func TestReportsAreJoinedWithTheForecastThatHeld(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	brokers := os.Getenv("WEIR_TEST_BROKERS")
	if err := local.Run(ctx, &out, "solarfarm", brokers, false, program); err != nil {
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

const want = `south, panel 1, hour 4: 100 W at 500 W/m2 is a yield of 10 %
south, panel 1, hour 5: 100 W at 500 W/m2 is a yield of 10 %
12 reports with their weather
`
