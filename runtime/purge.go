package runtime

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/wake"
)

// purger is the goroutine that deletes the processed records of repartition topics. Workers leave the offsets, and do not wait.
type purger struct {
	cluster broker.Cluster
	log     *slog.Logger
	due     wake.Signal
	done    chan struct{} // closed when the goroutine has ended
	warned  time.Time     // when the log last said that it fails

	mu     sync.Mutex // guards before
	before map[broker.TopicPartition]int64
}

const (
	// purgeTimeout bounds one request: the next one does the rest.
	purgeTimeout = 30 * time.Second
	// purgeWarning is how often the log says that purging fails.
	purgeWarning = 10 * time.Minute
)

// startPurger starts the goroutine. It ends when ctx does.
func startPurger(ctx context.Context, cluster broker.Cluster, log *slog.Logger) *purger {
	p := &purger{
		cluster: cluster, log: log, due: wake.New(), done: make(chan struct{}), before: map[broker.TopicPartition]int64{},
	}
	go func() {
		defer close(p.done)
		for {
			select {
			case <-p.due:
				p.purge(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

// add leaves offsets for the goroutine. Any goroutine may call it.
func (p *purger) add(before map[broker.TopicPartition]int64) {
	p.mu.Lock()
	maps.Copy(p.before, before)
	p.mu.Unlock()
	p.due.Notify()
}

func (p *purger) purge(ctx context.Context) {
	p.mu.Lock()
	before := p.before
	p.before = map[broker.TopicPartition]int64{}
	p.mu.Unlock()
	bounded, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	err := p.cluster.PurgeRecords(bounded, before)
	if err != nil && ctx.Err() == nil && time.Since(p.warned) >= purgeWarning {
		p.warned = time.Now()
		p.log.Warn("repartition topics cannot be purged: they grow until this works again", "error", err)
	}
}
