package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// Fault is a set of kinds of faults.
type Fault uint32

// The kinds of faults.
const (
	// Crash kills processes, before and after any call to the cluster and any write to a disk. A part of the unsynced writes of
	// the disk is lost.
	Crash Fault = 1 << iota
	// DiskLoss loses the disk of a member that is down.
	DiskLoss
	// DiskError lets a write or a sync fail.
	DiskError
	// LostAnswer loses requests and answers on the way, which makes clients repeat them.
	LostAnswer
	// LateRequest lets requests arrive after their client has given them up.
	LateRequest
	// Unavailable lets calls fail as if no broker could be reached, with or without effect.
	Unavailable
	// Outage stops all brokers for a while.
	Outage
	// Freeze stops processes for longer than their sessions last; they come back as zombies. It also stops single
	// goroutines for shorter times.
	Freeze
	// Membership lets members stop in order, and join.
	Membership
	// SlowPartition holds up single partitions.
	SlowPartition
	// Compaction compacts changelogs.
	Compaction
	// LateMarker delays the end of transactions on their way to partitions.
	LateMarker
	// ClockJump moves the clock by minutes.
	ClockJump
	// LeaderChange takes a partition its leader, CoordinatorMove the group and the transactions their coordinator, until
	// there is another: requests have to wait, and some of those under way are lost.
	LeaderChange
	CoordinatorMove
	// UserError lets functions of the topology fail that ask Faulty, for good, or like codecs without their registry.
	UserError

	// SinkFailure lets sinks fail, and push back. It concerns topologies with sinks that NewSink has made.
	SinkFailure

	// AllFaults are all of them.
	AllFaults Fault = 1<<iota - 1
)

// faults is how often things go wrong in a run: one in so many times, or never if it is 0.
type faults struct {
	crash, diskLoss, diskError, lost, late, unavailable, outage, freeze, stall, restart, slow, compact, jump, move, user int
	sinkError, sinkPressure                                                                                              int
	marker                                                                                                               time.Duration
}

// chooseFaults decides which of the allowed faults a run has, and how often. A run with all of them at once would seldom
// get far, and one fault can hide another.
func chooseFaults(r random, allowed Fault) (f faults) {
	choose := func(kind Fault, odds int, values ...int) int {
		if v := pick(r, values...); r.oneIn(odds) && allowed&kind != 0 {
			return v
		}
		return 0
	}
	f.crash = choose(Crash, 2, 30, 100, 300)
	f.diskLoss = choose(DiskLoss, 3, 2, 5)
	f.diskError = choose(DiskError, 6, 20, 60)
	f.lost = choose(LostAnswer, 2, 5, 20, 100)
	f.late = choose(LateRequest, 3, 20, 60)
	f.unavailable = choose(Unavailable, 4, 100, 300)
	f.outage = choose(Outage, 6, 100, 300)
	f.freeze = choose(Freeze, 3, 50, 200)
	f.stall = choose(Freeze, 3, 20, 100)
	f.restart = choose(Membership, 2, 30, 100)
	f.slow = choose(SlowPartition, 4, 10, 40)
	f.compact = choose(Compaction, 2, 30, 100)
	f.jump = choose(ClockJump, 4, 50, 200)
	f.move = choose(LeaderChange|CoordinatorMove, 4, 30, 100)
	f.user = choose(UserError, 4, 30, 100)
	if choose(LateMarker, 3, 1) == 1 {
		f.marker = r.upTo(5*time.Second) + 1
	}
	return f
}

// chooseSinkFaults decides how often sinks fail and push back.
func (f *faults) chooseSinkFaults(r random, allowed Fault) {
	if allowed&SinkFailure == 0 {
		return
	}
	if r.oneIn(3) {
		f.sinkError = pick(r, 20, 60)
	}
	if r.oneIn(2) {
		f.sinkPressure = pick(r, 2, 5, 20)
	}
}

// errInjected is the error of a call that only the process itself sees.
var errInjected = errors.New("failure of the simulation")

// onCall is asked about each call to the cluster, before and after.
func (w *world) onCall(op simbroker.Op) error {
	r := w.current
	if r == nil {
		return nil
	}
	p := r.process
	if p.dead {
		return errCrash
	}
	w.fireTimers()
	w.count(string(op.Kind), op.Client, op.After)
	if w.trace != nil && op.Kind != simbroker.OpFetch && op.Kind != simbroker.OpPoll {
		w.tracef("%s %s %s (after: %v)", op.Client, op.Kind, op.TopicPartition, op.After)
	}
	w.noteAborts(op)
	if op.After {
		w.noteCommits(op)
	}
	return w.fault(r, op)
}

// fault decides about the fate of a call, and lets others run in the middle of it.
func (w *world) fault(r *routine, op simbroker.Op) error {
	if w.calm {
		return nil
	}
	f, p := &w.config.faults, r.process
	if err := w.waitForLeader(r, op); err != nil {
		return err
	}
	switch {
	case w.random.oneIn(f.crash):
		w.tracef("%s is killed at %s %s (after: %v)", p.name, op.Kind, op.TopicPartition, op.After)
		p.dead = true
		panic(errCrash)
	case w.random.oneIn(f.lost) && canBeLost[op.Kind]:
		w.tracef("%s: lost %s %s (after: %v)", p.name, op.Kind, op.TopicPartition, op.After)
		return simbroker.ErrLost
	case w.random.oneIn(f.late) && !op.After && canBeLate[op.Kind]:
		w.tracef("%s: late %s %s", p.name, op.Kind, op.TopicPartition)
		w.late = append(w.late, r)
		return simbroker.ErrLate
	case w.random.oneIn(f.unavailable) && !(op.Kind == simbroker.OpPoll && op.After): // the event would be lost
		w.tracef("%s: unavailable %s %s (after: %v)", p.name, op.Kind, op.TopicPartition, op.After)
		return fmt.Errorf("simulated: %w", weir.ErrUnavailable)
	}
	if op.Kind == simbroker.OpCommittedOffsets && op.After && f.stall > 0 && w.random.oneIn(4) {
		// Knowledge from the begin of a restore can be old when the restore ends.
		r.wakeAt = w.clock.Now().Add(w.random.upTo(2 * w.config.session))
		if w.random.oneIn(2) { // nor does the process hear that the task is lost
			p.routines[0].wakeAt = r.wakeAt.Add(w.random.upTo(w.config.session))
		}
		r.suspend()
	}
	w.interleave(r)
	return nil
}

// move takes a partition, or the group and transactions, away from the responsible broker.
func (w *world) move() {
	until := w.clock.Now().Add(w.random.upTo(w.config.session))
	partitions := len(w.allPartitions)
	if w.simulation.Faults&LeaderChange == 0 {
		partitions = 0
	}
	coordinator := 0
	if w.simulation.Faults&CoordinatorMove != 0 {
		coordinator = 1 + partitions/4
	}
	var of broker.TopicPartition // that of no partition stands for the coordinator
	if i := w.random.IntN(partitions + coordinator); i < partitions {
		of = w.allPartitions[i]
	}
	w.tracef("no leader of %s until %v", of, until.Format("15:04:05.000"))
	w.leaderless[of] = until
}

// waitForLeader holds up a request that nobody can answer now. It may have been lost with the broker that could.
func (w *world) waitForLeader(r *routine, op simbroker.Op) error {
	tp := op.TopicPartition
	if !asksCoordinator[op.Kind] && tp.Topic == "" || op.After {
		return nil
	}
	until := w.leaderless[tp]
	if !w.clock.Now().Before(until) {
		return nil
	}
	r.wakeAt = until
	r.suspend()
	if !w.calm && canBeLost[op.Kind] && w.random.oneIn(2) {
		return simbroker.ErrLost
	}
	return nil
}

// asksCoordinator are the calls that a coordinator answers.
var asksCoordinator = map[simbroker.OpKind]bool{
	simbroker.OpCommittedOffsets: true, simbroker.OpInitProducer: true, simbroker.OpAddOffsets: true,
	simbroker.OpEndTransaction: true, simbroker.OpCommit: true, simbroker.OpPoll: true,
}

// canBeLost are the calls that a client repeats when there is no answer.
var canBeLost = map[simbroker.OpKind]bool{
	simbroker.OpTopics: true, simbroker.OpOffsets: true, simbroker.OpCommittedOffsets: true, simbroker.OpFetch: true,
	simbroker.OpInitProducer: true, simbroker.OpProduce: true, simbroker.OpAddOffsets: true,
	simbroker.OpEndTransaction: true, simbroker.OpCommit: true, simbroker.OpLeave: true,
}

// canBeLate are the requests that may arrive after their client has given up.
var canBeLate = map[simbroker.OpKind]bool{
	simbroker.OpProduce: true, simbroker.OpAddOffsets: true, simbroker.OpEndTransaction: true, simbroker.OpCommit: true,
}

// interleave lets others run in the middle of a call.
func (w *world) interleave(r *routine) {
	if w.calm { // since the call began
		return
	}
	if w.random.oneIn(w.config.faults.stall) {
		r.wakeAt = w.clock.Now().Add(w.random.upTo(20 * time.Second))
		r.suspend()
	} else if w.random.oneIn(w.config.interleave) {
		r.suspend()
	}
}

// diskPoint is asked about each write to a disk, before and after.
func (p *process) diskPoint(kind string, after bool) error {
	w := p.world
	if p.dead {
		return errCrash
	}
	if w.current == nil {
		return nil
	}
	w.count(kind, p.name, after)
	w.tracef("disk: %s (after: %v)", kind, after)
	if w.calm {
		return nil
	}
	switch {
	case w.random.oneIn(w.config.faults.crash):
		w.tracef("%s is killed at %s (after: %v)", p.name, kind, after)
		p.dead = true
		panic(errCrash)
	case kind != "close" && w.random.oneIn(w.config.faults.diskError):
		w.tracef("%s: %s fails (after: %v)", p.name, kind, after)
		return fmt.Errorf("%s: %w", kind, errInjected)
	}
	w.interleave(w.current)
	return nil
}

// count notes a step of the run: two runs of one seed take the same.
func (w *world) count(kind, client string, after bool) {
	w.steps++
	note := func(b byte) { w.digest = (w.digest ^ uint64(b)) * 1099511628211 } // FNV-1a
	for i := range len(kind) {
		note(kind[i])
	}
	for i := range len(client) {
		note(client[i])
	}
	if after {
		note(1)
	}
	for now := w.clock.Now().UnixNano(); now != 0; now >>= 8 {
		note(byte(now))
	}
}

// Faulty returns an error now and then, if UserError is among the faults of the run: functions of a topology under
// simulation call it to fail. In the reference model nothing fails.
func (s *Simulation) Faulty() error {
	w := s.running
	if w == nil || w.current == nil || w.calm || !w.random.oneIn(w.config.faults.user) {
		return nil
	}
	if w.random.oneIn(2) {
		w.tracef("a function of the topology cannot reach what it needs")
		return fmt.Errorf("function: %w", codec.ErrOutage) // which the process waits out
	}
	w.tracef("a function of the topology fails")
	return fmt.Errorf("function: %w", errInjected)
}
