package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// look asks the cluster about all topics of the plan.
func (p *preparation) look(ctx context.Context, cluster broker.Cluster) error {
	names := p.plan.Topics()
	for begun := time.Now(); ; {
		var err error
		p.known, err = cluster.Topics(ctx, names...)
		if err != nil {
			return fmt.Errorf("look up topics: %w", err)
		}
		if p.options.Create || p.complete() || time.Since(begun) >= p.options.Patience {
			return nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return fmt.Errorf("look up topics: %w", context.Cause(ctx))
		}
	}
}

// lookAgain is how long to wait before topics that are unknown are looked up again.
const lookAgain = 100 * time.Millisecond

// complete reports whether all topics that the user declared are known.
func (p *preparation) complete() bool {
	for _, n := range p.plan.Graph.Nodes {
		if _, _, ok := n.Declared(); ok {
			if _, known := p.known[p.plan.Topic(n)]; !known {
				return false
			}
		}
	}
	return true
}
