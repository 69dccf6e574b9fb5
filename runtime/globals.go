package runtime

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/globaltable"
)

// globals is the goroutine that reads global tables. nil is one of an App that has none.
type globals struct {
	engine *globaltable.Tables
	cancel context.CancelFunc
	loaded chan struct{} // closed when the tables are loaded
	done   chan struct{} // closed when the goroutine has ended
	err    error         // why it ended, unless it was stopped; set before done is closed
}

// startGlobals begins to read the global tables, and waits until they are loaded: this member takes part in the work of the
// group from then on. The goroutine ends after stop, or with an error.
func (a *App) startGlobals(ctx context.Context, cluster broker.Cluster, partitions map[string]int32) (*globals, error) {
	if len(a.plan.Globals) == 0 {
		return nil, nil
	}
	fetcher, err := cluster.NewFetcher(broker.FetcherConfig{OnError: a.onConsumer()})
	if err != nil {
		return nil, err
	}
	config := engine.Config{Errors: a.config.Errors, OnFailure: a.recent.failure, Clock: clock.System, Logger: a.config.Logger}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := globaltable.New(config.ForGlobals(a.plan, a.globalLetters(work, cluster)), a.plan, patientCluster{cluster}, fetcher, partitions)
	if err := e.Begin(ctx); err != nil {
		cancel()
		return nil, errors.Join(err, e.Close())
	}
	a.globals.Store(e)
	g := &globals{engine: e, loaded: make(chan struct{}), done: make(chan struct{})}
	g.cancel = cancel
	go func() {
		defer close(g.done)
		g.err = g.loop(work)
	}()
	progress := newProgress(a.config.Logger)
	return g, g.await(ctx, func() { progress.report(a.Status()) })
}

// globalLetters returns the writer of the dead letters of global tables, or nil if there is no topic for them. All processes of the group share
// its transactional id.
func (a *App) globalLetters(ctx context.Context, cluster broker.Cluster) globaltable.LetterWriter {
	if a.plan.DeadLetters == "" {
		return nil
	}
	exactlyOnce := a.config.Guarantee == ExactlyOnce
	return &globaltable.Letters{
		Topic: a.plan.DeadLetters, Group: a.plan.Group, Spring: a.config.Errors.DeadLetters.SpringHeaders, Cluster: patientCluster{cluster},
		Transactional: exactlyOnce, Clock: clock.System,
		NewProducer: func() (broker.Producer, error) {
			config := broker.ProducerConfig{
				Compression: a.config.Topics.Compression, DeliveryTimeout: broker.DeliveryTimeout(a.config.BrokerTimeout),
				TransactionTimeout: a.config.Checkpoint.TransactionTimeout, OnError: a.onProducer(),
			}
			if exactlyOnce {
				config.TransactionalID = a.plan.Group + "-global-deadletters"
			}
			return broker.NewFencedProducer(ctx, cluster, config)
		},
	}
}

func (g *globals) loop(ctx context.Context) error {
	for loading := true; ; {
		if loading && g.engine.Loaded() {
			loading = false
			close(g.loaded)
		}
		if _, err := g.engine.Step(ctx, idleWait); err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return errors.Join(err, g.engine.Close())
		}
	}
}

// await waits until the tables are loaded, and calls progress now and then. After an error the goroutine has ended.
func (g *globals) await(ctx context.Context, progress func()) error {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case <-g.loaded:
			return nil
		case <-g.done:
			return g.err
		case <-ctx.Done():
			return cmp.Or(g.stop(), context.Cause(ctx))
		case <-tick.C:
			progress()
		}
	}
}

// tables returns the tables for the engine.
func (g *globals) tables() *globaltable.Tables {
	if g == nil {
		return nil
	}
	return g.engine
}

// stop ends the goroutine and returns why it had ended, if not by this.
func (g *globals) stop() error {
	if g == nil {
		return nil
	}
	g.cancel()
	<-g.done
	return g.err
}

// failed returns a channel that is closed when the goroutine has ended, which before stop it does with an error.
func (g *globals) failed() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.done
}
