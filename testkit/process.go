package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/assignment"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/state"
)

// start starts a process: it joins the group and opens the tasks.
func (d *Driver) start() {
	d.tb.Helper()
	config := engine.Config{
		ExactlyOnce:        d.config.ExactlyOnce,
		RevokeTimeout:      time.Minute,
		CheckpointInterval: d.config.CheckpointInterval,
		CheckpointRecords:  d.config.CheckpointRecords,
		CheckpointBytes:    64 << 20,
		CacheBytes:         1 << 20,
		IdleTimeout:        d.config.IdleTimeout,
		Errors:             d.config.Errors,
		OpenBackend: func(dir string) (state.Backend, error) {
			b := d.backends[dir]
			if b == nil {
				b = state.NewMemory()
				d.backends[dir] = b
			}
			return b, nil
		},
		DestroyBackend: func(dir string) error { delete(d.backends, dir); return nil },
		OnLate:         d.logLate,
		MayRead:        d.mayRead,
		CreateTopics:   true,
		Sequential:     true,
		Replication:    -1,
		Partitions:     d.config.Partitions,
		Clock:          d.clock,
		Logger:         slog.New(slog.NewTextHandler(logWriter{d.tb}, nil)),
	}
	d.startGlobals(&config)
	var err error
	d.group, err = d.broker.NewGroup(broker.GroupConfig{
		Group: groupName, Topics: d.plan.Units(), SessionTimeout: forever, RebalanceTimeout: forever,
		InstanceID: "testkit", // so that the next process takes over at once

	})
	if err != nil {
		d.tb.Fatal(err)
	}
	if d.closeSinks, err = d.plan.Graph.ConnectExternals(d.tb.Context()); err != nil {
		d.failed = err
		d.tb.Fatal(err)
	}
	d.workers = make([]*engine.Worker, d.config.Workers)
	for i := range d.workers {
		c := engine.Connections{Cluster: d.broker, Group: d.group}
		if c.Fetcher, err = d.broker.NewFetcher(broker.FetcherConfig{}); err != nil {
			d.tb.Fatal(err)
		}
		c.NewProducer = func() (broker.Producer, error) {
			if !d.config.ExactlyOnce {
				return d.broker.NewProducer(broker.ProducerConfig{})
			}
			return d.broker.NewProducer(broker.ProducerConfig{
				TransactionalID: fmt.Sprintf("%s-%d", groupName, i), TransactionTimeout: forever,
			})
		}
		if c.Producer, err = c.NewProducer(); err != nil {
			d.tb.Fatal(err)
		}
		d.workers[i] = engine.NewWorker(config, d.plan, c, d.topics)
	}
	d.assignment = assignment.New(d.plan, len(d.workers), func(jobs map[int]func(*engine.Worker) error) error {
		for i, w := range d.workers { // in order, to be deterministic
			if job := jobs[i]; job != nil {
				if err := job(w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := d.run(); err != nil {
		d.failed = err
		d.tb.Fatal(err)
	}
}

// startGlobals loads the global tables.
func (d *Driver) startGlobals(config *engine.Config) {
	d.tb.Helper()
	d.globals = nil
	if len(d.plan.Globals) == 0 {
		return
	}
	fetcher, err := d.broker.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		d.tb.Fatal(err)
	}
	d.globals = globaltable.New(config.ForGlobals(d.plan, d.globalLetters()), d.plan, d.broker, fetcher, d.partitions)
	config.Globals = d.globals
	if err := d.globals.Begin(context.Background()); err != nil {
		d.tb.Fatal(err)
	}
	if _, err := d.readGlobals(); err != nil {
		d.tb.Fatal(err)
	}
}

// globalLetters returns the writer of the dead letters of global tables, or nil if there is no topic for them.
func (d *Driver) globalLetters() globaltable.LetterWriter {
	if d.plan.DeadLetters == "" {
		return nil
	}
	return &globaltable.Letters{
		Topic: d.plan.DeadLetters, Group: groupName, Spring: d.config.Errors.DeadLetters.SpringHeaders, Cluster: d.broker, Clock: d.clock,
		NewProducer: func() (broker.Producer, error) { return d.broker.NewProducer(broker.ProducerConfig{}) },
	}
}

// readGlobals brings the global tables up to date, and reports whether anything was read.
func (d *Driver) readGlobals() (read bool, err error) {
	for worked := d.globals != nil; worked && err == nil; read = read || worked {
		worked, err = d.globals.Step(context.Background(), 0)
	}
	return read, err
}

// run works until there is nothing left to do. Global tables are brought up to date before each step of a worker. Within
// TryTogether it does nothing.
func (d *Driver) run() error {
	if d.failed != nil || d.together {
		return d.failed
	}
	defer func() { d.screen.Tick(d.clock.Now()) }()
	ctx := context.Background()
	for busy := true; busy; {
		busy = false
		event, err := d.group.Poll(ctx, 0)
		if err == nil && event != nil {
			busy = true
			err = d.assignment.Handle(ctx, event)
		}
		for _, w := range d.workers {
			if err == nil {
				var read bool
				read, err = d.readGlobals()
				busy = busy || read
			}
			if err == nil {
				var worked bool
				worked, err = w.Step(ctx, 0)
				busy = busy || worked
			}
		}
		if !busy && err == nil {
			busy, err = d.land(ctx)
		}
		if !busy && err == nil && d.config.ExactlyOnce {
			busy, err = d.commit(ctx)
		}
		if err != nil {
			d.failed = err
			return err
		}
	}
	return nil
}

// land waits for the calls of asynchronous operators, and reports whether there was one.
func (d *Driver) land(ctx context.Context) (landed bool, err error) {
	for _, w := range d.workers {
		if err == nil {
			var some bool
			some, err = w.Land(ctx)
			landed = landed || some
		}
	}
	return landed, err
}

// commit checkpoints the workers that have something to check in, and reports whether there was one.
func (d *Driver) commit(ctx context.Context) (committed bool, err error) {
	for _, w := range d.workers {
		if err == nil && w.Dirty() {
			var made bool
			made, err = w.TryCheckpoint(ctx)
			committed = committed || made
		}
	}
	return committed, err
}

// stop ends the process gracefully.
func (d *Driver) stop() {
	d.tb.Helper()
	defer func() { d.screen.Flush(d.clock.Now()) }()
	ctx := context.Background()
	for _, w := range d.workers {
		if err := w.Close(ctx); err != nil {
			d.tb.Errorf("stop: %v", err)
		}
	}
	if err := d.group.Leave(ctx); err != nil {
		d.tb.Errorf("stop: %v", err)
	}
	for _, err := range d.closeSinks(ctx) {
		d.tb.Errorf("stop: %v", err)
	}
	d.closeGlobals()
}

// abandon ends the process as a crash does.
func (d *Driver) abandon() {
	d.tb.Helper()
	for _, w := range d.workers {
		if err := w.Abandon(); err != nil {
			d.tb.Errorf("crash: %v", err)
		}
	}
	d.broker.Kill(d.group)
	for _, err := range d.closeSinks(context.Background()) {
		d.tb.Errorf("crash: %v", err)
	}
	d.closeGlobals()
}

func (d *Driver) closeGlobals() {
	d.tb.Helper()
	if d.globals == nil {
		return
	}
	if err := d.globals.Close(); err != nil {
		d.tb.Errorf("close global tables: %v", err)
	}
}
