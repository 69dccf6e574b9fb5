package main

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
)

var (
	chaosFlag = flag.Bool("chaos", false, "with a real broker of internal/testserver: kill and restart it as well, which disturbs every other test that uses it")
	// chaosKillsFlag is per guarantee.
	chaosKillsFlag = flag.Int("chaos.kills", 0, "how often processes are killed at least, for each guarantee; 0 means 25 times, or on kfake 1 time, or 5 times with WEIR_TEST_LONG")
)

// mishaps are what is done to members and brokers, and how often it was done.
type mishaps struct {
	kills, pauses, brokerRestarts, brokerKills, cuts int
}

// Whatever happens to processes, connections and the broker: exactly once means exactly once, and at least once means
// that nothing is missing and that no state is wrong. The members never end by themselves, and stop when they are told to.
//
// Run with go run ./internal/testserver kafka -- go test ./examples/flights -run Chaos -chaos.
func TestChaos(t *testing.T) {
	kafkatest.Parallel(t)
	for _, guarantee := range []string{"exactly once", "at least once"} {
		t.Run(guarantee, func(t *testing.T) {
			k := newTrial(t)
			if k.Real() && !*chaosFlag {
				t.Skip("kills the broker, which takes -chaos")
			}
			if !k.Real() {
				t.Parallel() // each has a broker of its own
			}
			random := newRandom(t)
			p := k.StartProxy(t)
			exact := guarantee == "exactly once"
			f := k.newFleet(3, func(m member) member {
				m.Proxy = p.Detour()
				m.RebalanceTimeout = 10 * time.Second
				if exact {
					return m.exactlyOnce()
				}
				return m
			})
			stopFeeding := k.feed()
			f.startAll()
			f.awaitProgress(5000)
			begun := time.Now()
			done := f.chaos(p, random)
			t.Logf("%+v in %v", done, time.Since(begun).Round(time.Second))
			stopFeeding()
			f.awaitFinished()
			last := f.stopAll()
			if exact {
				k.checkExact(last.StateDir)
			} else {
				t.Logf("%d of %d flights came to their airport more than once", k.check(last.StateDir), k.flights)
			}
			f.count().log(t)
		})
	}
}

// misfortune is one thing that happens.
type misfortune int

const (
	killOne misfortune = iota
	killSome
	pauseOne
	cutConnections
	stopBroker
	killBroker
)

// chaos lets things happen until processes were killed often enough. Everything happens in each round, in another order.
func (f *fleet) chaos(p *kafkatest.Proxy, random *rand.Rand) (done mishaps) {
	f.k.t.Helper()
	kills := *chaosKillsFlag
	round := []misfortune{killOne, killSome, pauseOne, cutConnections, killOne, killOne, cutConnections}
	if !f.k.Real() {
		round = round[:longtest.Cases(4, len(round))] // one of each kind is a short round
	}
	if f.k.Real() {
		kills = cmp.Or(kills, 25) // two rounds
		round = append(round, killOne, killOne, killOne, killOne, killSome, killSome, cutConnections, stopBroker, killBroker)
	}
	kills = cmp.Or(kills, longtest.Cases(1, 5))
	for done.kills < kills {
		for _, i := range random.Perm(len(round)) {
			switch round[i] {
			case killOne:
				done.kills += f.killSome(1, random)
			case killSome:
				done.kills += f.killSome(2+random.IntN(len(f.runs)-1), random)
			case pauseOne:
				f.pause(random)
				done.pauses++
			case cutConnections:
				p.Cut([]float64{0.2, 1}[random.IntN(2)], random)
			case stopBroker:
				f.awaitConnected()
				f.k.Restart(f.k.t)
				done.brokerRestarts++
			case killBroker:
				f.awaitConnected()
				f.k.Crash(f.k.t)
				f.leaveAlone(random)
				f.k.Restart(f.k.t)
				done.brokerKills++
			}
			f.leaveAlone(random)
		}
		done.cuts = p.Cuts()
		f.awaitProgress(1000)
		f.k.t.Logf("%+v: %s", done, f.describe())
	}
	return done
}

// killSome kills n processes at once, and starts them again, at once or after a while.
func (f *fleet) killSome(n int, random *rand.Rand) int {
	f.k.t.Helper()
	victims := random.Perm(len(f.runs))[:n]
	for _, i := range victims {
		f.runs[i].cmd.Process.Kill() // without waiting for its end
	}
	for _, i := range victims {
		f.kill(i)
	}
	if random.IntN(3) == 0 {
		f.leaveAlone(random)
	}
	f.startAll()
	return n
}

// pause lets a member sleep for longer than its session. It wakes up as a zombie.
func (f *fleet) pause(random *rand.Rand) {
	f.k.t.Helper()
	i := random.IntN(len(f.runs))
	if err := f.runs[i].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		f.k.t.Fatal(err)
	}
	begun := time.Now()
	before := f.k.committed()
	session := f.members[i].SessionTimeout
	// The others have its tasks when they get on although the session is over.
	f.await("work of the others", func() bool { return time.Since(begun) > session && f.k.committed() > before })
	f.leaveAlone(random)
	if err := f.runs[i].cmd.Process.Signal(syscall.SIGCONT); err != nil {
		f.k.t.Fatal(err)
	}
}
