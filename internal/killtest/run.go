package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/longtest"
)

// Plan says how processes are killed.
type Plan struct {
	// Processes is the number of members that run at the same time; 1 by default.
	Processes int
	// Kills is how many times one of them is killed.
	Kills int
	// Progress returns how much of the output is there. It is called on the goroutine of the test, every 20 ms.
	Progress func() int
	// Total is all of the output.
	Total int
	// Step is the most progress between two kills.
	Step int
	// Within is the time for the whole of it; 5 minutes by default.
	Within time.Duration
}

// Run starts the processes of an application and kills one of them again and again, in the middle of the work. One of four starts is without the
// former state, so that it has to come from the changelogs. Run returns when all output is there and no process runs any more.
func Run[P any, M interface {
	*P
	member() *Member
}](t *testing.T, description P, plan Plan) {
	t.Helper()
	random := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	processes := make([]*process, max(1, plan.Processes))
	dirs := make([]string, len(processes))
	start := func(i int) {
		p := description
		m := M(&p).member()
		m.StateDir, m.Instance = dirs[i], fmt.Sprint("member-", i)
		processes[i] = begin(t, p)
	}
	for i := range processes {
		dirs[i] = t.TempDir()
		start(i)
	}
	within := plan.Within
	if within == 0 {
		within = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	kills := 0
	await := func(least int) {
		t.Helper()
		for plan.Progress() < least {
			for i, p := range processes {
				select {
				case <-p.exited:
					t.Fatalf("process %d has ended by itself after %d kills: %s", i, kills, p.output)
				default:
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("%d of %d after %v and %d kills", plan.Progress(), plan.Total, within, kills)
			}
		}
	}
	for ; kills < plan.Kills; kills++ {
		await(min(plan.Total, plan.Progress()+1+random.IntN(plan.Step)))
		pause := time.NewTimer(time.Duration(random.IntN(100)) * time.Millisecond) // to anywhere between two checkpoints
		<-pause.C
		i := random.IntN(len(processes))
		processes[i].kill()
		if random.IntN(4) == 0 {
			if err := os.RemoveAll(dirs[i]); err != nil {
				t.Fatal(err)
			}
		}
		start(i)
	}
	await(plan.Total)
	for _, p := range processes {
		p.kill()
	}
}

// process is a process that runs a pipeline.
type process struct {
	*exec.Cmd
	exited chan struct{}
	output *strings.Builder // complete when exited is closed
}

func begin(t *testing.T, description any) *process {
	t.Helper()
	text, err := json.Marshal(description)
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(context.WithoutCancel(t.Context()), executable, "-test.run=^$"), exited: make(chan struct{}), output: &strings.Builder{}}
	p.Env, p.Stderr = append(os.Environ(), variable+"="+string(text)), p.output
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a crash does, if it has not ended, and waits for its end.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.exited
}
