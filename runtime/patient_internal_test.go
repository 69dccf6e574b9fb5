package runtime

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// awayCluster answers nothing until a moment.
type awayCluster struct {
	broker.Cluster
	until time.Time
	since time.Time
}

func (c *awayCluster) Topics(context.Context, ...string) (map[string]broker.TopicInfo, error) {
	if time.Now().Before(c.until) {
		time.Sleep(10 * time.Second) // which is how long the client tries
		return nil, fmt.Errorf("describe topics: %w", weir.ErrUnavailable)
	}
	return map[string]broker.TopicInfo{"in": {Name: "in", Partitions: 1}}, nil
}

func (c *awayCluster) Unreachable() (time.Time, bool) { return c.since, time.Now().Before(c.until) }

// A cluster that goes away while an application starts is waited for as later, for as long as BrokerTimeout says.
func TestAnOutageDuringTheStartIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		outage time.Duration
		fails  bool
	}{
		{"short", 30 * time.Second, false},
		{"too long", 3 * time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				cluster := &awayCluster{since: begun, until: begun.Add(c.outage)}
				a := &App{config: Config{BrokerTimeout: 2 * time.Minute}}
				ctx, started := a.whileReachable(t.Context(), cluster)
				defer started()
				topics, err := patientCluster{cluster}.Topics(ctx, "in")
				switch took := time.Since(begun); {
				case c.fails:
					if !errors.Is(err, weir.ErrUnavailable) || took < 2*time.Minute || took > 2*time.Minute+15*time.Second {
						t.Errorf("got %v after %v", err, took)
					}
				case err != nil || len(topics) != 1:
					t.Errorf("got %v, %v", topics, err)
				}
			})
		})
	}
}
