package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/assignment"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/engine/pausing"
	"github.com/weirstreams/weir/internal/state"
)

// member is a place in the group: a machine with a disk, on which processes follow each other.
type member struct {
	number int
	disk   disk
	// id names the process to the cluster across restarts. It is lost with the disk.
	id       string
	instance string // static membership, if not empty
	lives    int
	process  *process // nil while none runs
}

// process is one process, with the goroutines that package runtime gives it.
type process struct {
	world  *world
	member *member
	name   string

	group      broker.Group
	routines   []*routine
	workers    []*worker
	assignment *assignment.Assignment
	// globals are the global tables, if there are any, and reader reads them until readEnough is set.
	globals    *globaltable.Tables
	reader     *routine
	readEnough bool
	// calls are those of asynchronous operators and of sinks beside their tasks, nil if the topology has none, and caller lets them return.
	calls  *calls
	caller *routine

	// pauses has the parts that stand still.
	pauses *pausing.Switch

	// dead is set when the process was killed: it can do nothing any more.
	dead bool
	// stopping asks it to end in order; finish then tells the workers.
	stopping, finish bool
	// failsOnLoss is set if the process is to end when input is lost.
	failsOnLoss bool
	// handling is set while the process acts on an event of the group.
	handling bool
	// err is why it ends on its own.
	err error
	// ended is set when it has ended in order.
	ended       bool
	frozenUntil time.Time
	slept       bool // has been frozen for longer than its session, whatever the faults
}

// worker is a routine with an engine.Worker, as in package runtime.
type worker struct {
	*routine
	engine  *engine.Worker
	fetcher *fetcher
	job     func(*engine.Worker) error
	// begins is called when the job begins.
	begins func()
	result error
}

// start starts a process on a member.
func (w *world) start(m *member) {
	m.lives++
	p := &process{world: w, member: m, name: fmt.Sprintf("m%d.%d", m.number, m.lives), pauses: &pausing.Switch{}}
	m.process = p
	w.processes++
	if m.id == "" {
		m.id = fmt.Sprintf("%d-%d", m.number, m.lives)
	}
	w.tracef("start %s", p.name)
	p.spawn("group", p.main)
}

// main is App.Run: it connects, starts the workers, and hands them the events of the group.
func (p *process) main(r *routine) {
	err := p.loadGlobals(r)
	if err == nil {
		err = p.connect()
	}
	if err == nil {
		err = p.supervise(r)
	}
	p.fail(err)
	p.finish = true
	r.wait(func() bool {
		return slices.ContainsFunc(p.workers, func(w *worker) bool { return !w.done }) || p.caller != nil && !p.caller.done
	})
	if p.group != nil && (p.err == nil || p.world.random.oneIn(2)) {
		p.fail(p.group.Leave(context.Background()))
	}
	p.stopGlobals(r)
	p.ended = true
}

func (p *process) supervise(r *routine) error {
	for !p.stopping && p.err == nil {
		event, err := p.group.Poll(context.Background(), 0)
		if err != nil {
			return err
		}
		if event != nil {
			r.worked = true
			p.world.tracef("%s: %s %v", p.name, event.Kind, event.Partitions)
			p.handling = true
			if err := p.assignment.Handle(withSources(withSinks(p.world.writeSink, p.world), p.world), event); err != nil {
				return err
			}
			p.handling = false
			p.checkAssigned(event)
		}
		r.suspend()
	}
	return nil
}

// fail notes why the process ends. The first error counts.
func (p *process) fail(err error) {
	if err == nil || p.err != nil || p.dead {
		return
	}
	p.err = err
	p.world.tracef("%s ends: %v", p.name, err)
	p.world.judge(p, err)
}

func (p *process) connect() error {
	w := p.world
	config := w.config.engine
	p.failsOnLoss = config.LostInput == engine.LostFail
	config.OpenBackend, config.DestroyBackend, config.Globals = p.openBackend, p.destroyBackend, p.globals
	config.MayRead = w.mayRead
	config.Pauses = p.pauses
	config.Purge, config.PurgeInterval = w.purge, time.Second
	if p.spawnCalls(); p.calls != nil {
		config.Calls = p.calls
	}
	topics, err := p.prepareTopics()
	if err != nil {
		return err
	}
	p.group, err = w.broker.NewGroup(broker.GroupConfig{
		Group: groupName, Topics: w.plan.Units(), InstanceID: p.member.instance, Warm: p.warm,
		SessionTimeout: w.config.session, RebalanceTimeout: w.config.rebalance,
	})
	if err != nil {
		return err
	}
	for i := range w.config.workers {
		c := engine.Connections{Cluster: w.broker, Group: p.group}
		inner, err := w.broker.NewFetcher(broker.FetcherConfig{})
		if err != nil {
			return err
		}
		f := &fetcher{Fetcher: inner, world: w, slow: map[broker.TopicPartition]time.Time{}, paused: map[broker.TopicPartition]bool{}}
		config.OnMerge = f.note
		c.Fetcher = f
		c.NewProducer = func() (broker.Producer, error) {
			if !w.config.engine.ExactlyOnce {
				return w.broker.NewProducer(broker.ProducerConfig{})
			}
			return w.broker.NewProducer(broker.ProducerConfig{
				TransactionalID: fmt.Sprintf("%s-%s-%d", groupName, p.member.id, i), TransactionTimeout: w.config.transaction,
			})
		}
		if c.Producer, err = c.NewProducer(); err != nil {
			return err
		}
		p.startWorker(i, engine.NewWorker(config, w.plan, c, topics), f)
	}
	p.assignment = assignment.New(w.plan, len(p.workers), p.each)
	return nil
}

// startWorker is that of package runtime.
func (p *process) startWorker(i int, e *engine.Worker, f *fetcher) {
	w := &worker{engine: e, fetcher: f}
	f.worker = w
	w.routine = p.spawn(fmt.Sprintf("worker %d", i), func(r *routine) {
		for {
			switch {
			case w.job != nil:
				r.worked = true
				w.begins()
				w.result = w.job(e)
				w.job = nil
				if w.result != nil {
					p.fail(w.result)
					_ = e.Abandon()
					return
				}
			case p.finish && p.err == nil:
				p.fail(e.Close(context.Background()))
				return
			case p.finish:
				_ = e.Abandon() // the process ends with another error already
				return
			default:
				worked, err := e.Step(context.Background(), 0)
				if err != nil {
					p.fail(err)
					_ = e.Abandon()
					return
				}
				r.worked = r.worked || worked
			}
			r.suspend()
		}
	})
	p.workers = append(p.workers, w)
}

// each runs jobs on workers, and waits for all of them.
func (p *process) each(jobs map[int]func(*engine.Worker) error) error {
	var asked []*worker
	for _, i := range slices.Sorted(maps.Keys(jobs)) {
		w := p.workers[i]
		w.job, w.begins, w.result = jobs[i], func() {}, nil
		if p.world.config.engine.AfterFunc != nil {
			w.begins = w.engine.Hurry()
		}
		asked = append(asked, w)
	}
	main := p.routines[0]
	main.wait(func() bool {
		return slices.ContainsFunc(asked, func(w *worker) bool { return w.job != nil && !w.done })
	})
	var failed []error
	for _, w := range asked {
		failed = append(failed, w.result)
		if w.job != nil {
			failed = append(failed, p.err)
		}
	}
	return errors.Join(failed...)
}

// warm says which databases are on the disk.
func (p *process) warm() []broker.TopicPartition {
	var warm []broker.TopicPartition
	for _, t := range p.world.tasks() {
		if p.member.disk.has(t.dir) {
			warm = append(warm, broker.TopicPartition{Topic: t.topics[0], Partition: t.partition})
		}
	}
	return warm
}

func (p *process) openBackend(dir string) (state.Backend, error) {
	if err := p.diskPoint("open", false); err != nil {
		return nil, err
	}
	b, err := p.member.disk.open(dir)
	if err != nil {
		return nil, err
	}
	p.world.checkDatabase(p, dir, b)
	return &backend{Backend: b, process: p}, nil
}

func (p *process) destroyBackend(dir string) error {
	p.world.failf("%s deletes the database of %s", p.name, dir)
	return p.member.disk.destroy(dir)
}

// kill ends a process as kill -9 does.
func (w *world) kill(p *process) {
	w.tracef("kill %s", p.name)
	p.dead = true
	w.bury(p)
}

// bury clears away the remains of a dead process: its disk loses a part of its unsynced writes.
func (w *world) bury(p *process) {
	if p.member.process != p {
		return
	}
	p.member.process = nil
	for _, r := range p.routines {
		if !r.done {
			w.current = r
			r.stop()
			w.current = nil
		}
	}
	if p.group != nil {
		w.broker.Kill(p.group)
	}
	p.member.disk.crash(w.random)
	w.crashes++
}

// reap clears away processes that have ended in order.
func (w *world) reap() {
	for _, m := range w.members {
		if p := m.process; p != nil && p.ended && p.routines[0].done {
			w.tracef("%s has ended", p.name)
			m.process = nil
			m.disk.closed()
		}
	}
}

// gaveUp matches errors that say that something took too long, as it may when the clock jumps or a process is frozen.
var gaveUp = regexp.MustCompile("were refused by the group|checkpoints in a row have failed|group has refused all checkpoints")

// judge fails the run if no fault explains why a process ends.
func (w *world) judge(p *process, err error) {
	if errors.Is(err, broker.ErrUndecided) && !strings.Contains(err.Error(), "replace a producer") {
		w.failf("%s ended, although a transaction with an unknown end is no reason: %v", p.name, err)
		return
	}
	for _, expected := range []error{errCrash, errInjected, simbroker.ErrLost, simbroker.ErrLate, weir.ErrUnavailable} {
		if errors.Is(err, expected) {
			w.errors++
			return
		}
	}
	if w.simulation.Loses && p.failsOnLoss && lostInput.MatchString(err.Error()) {
		w.errors++
		return
	}
	if w.noteRefusal(p, err) {
		w.errors++
		return
	}
	f := &w.config.faults
	late := p.slept || f.jump+f.freeze+f.stall+f.outage > 0
	if late && gaveUp.MatchString(err.Error()) {
		w.errors++
		return
	}
	w.failf("%s ended, and no fault explains it: %v", p.name, err)
}
