package docs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	addresses = stream.NewTopic("addresses", codec.String(), codec.String())
	countries = stream.NewTopic("countries", codec.String(), codec.String())
)

// located looks up the country of each address.
func located(lookup func(context.Context, string) (string, error)) *stream.Topology {
	t := stream.NewTopology()
	t.From(addresses).
		MapAsync(lookup, stream.AsyncOptions{Retry: weir.Retry{Attempts: 3, FirstWait: time.Minute, MaxWait: time.Hour}}).
		To(countries)
	return t
}

func TestTheThirdAttemptAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts, begin := 0, time.Now()
		d := testkit.New(t, located(func(context.Context, string) (string, error) {
			if attempts++; attempts < 3 {
				return "", errors.New("the service is away")
			}
			return "Utopia", nil
		}), testkit.Config{})
		d.Input(addresses).Send("ann", "192.0.2.1", time.UnixMilli(0))
		d.Output(countries).ExpectValues("Utopia")
		if waited := time.Since(begin); waited < 90*time.Second {
			t.Errorf("the attempts took %v of the bubble's time, want at least 90s", waited)
		}
	})
}
