package view

import (
	"runtime/debug"
	"slices"
	"time"

	"github.com/weirstreams/weir/runtime"
)

// Member is one member of a group: /member.json. As JSON it keeps the promises of runtime.Status.
type Member struct {
	// Name is Options.Member, and Group the consumer group.
	Name  string `json:"name"`
	Group string `json:"group"`
	// Address is that of a peer, and Error says why it does not answer; Inspection is empty then.
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`
	runtime.Inspection
	// Rates are records per second over the last seconds.
	Rates Rates `json:"rates"`
}

// Rates are changes per second. They are missing until two looks are known.
type Rates struct {
	// Operators are calls, by runtime.OperatorStatus.ID; Consumed and Sent are records of topics, and Tasks are records of tasks, by their names.
	Operators map[string]float64 `json:"operators,omitempty"`
	Consumed  map[string]float64 `json:"consumed,omitempty"`
	Sent      map[string]float64 `json:"sent,omitempty"`
	Tasks     map[string]float64 `json:"tasks,omitempty"`
}

// sample is a look that rates are taken from.
type sample struct {
	at     time.Time
	counts map[countKey]int64
}

type countKey struct{ kind, name string }

const (
	// freshFor is how long a look serves all that ask, however many pages are open.
	freshFor = 500 * time.Millisecond
	// window is the time that rates are taken over, if there was a look so long ago.
	window = 5 * time.Second
)

// member returns the state of this member.
func (h *handler) member() *Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.last != nil && now.Sub(h.made) < freshFor {
		return h.last
	}
	m := &Member{Name: h.options.Member, Group: h.app.Group(), Inspection: h.app.Inspect()}
	next := sample{m.Time, counts(&m.Inspection)}
	for len(h.samples) > 1 && now.Sub(h.samples[1].at) >= window {
		h.samples = h.samples[1:]
	}
	if len(h.samples) > 0 {
		m.Rates = rates(h.samples[0], next)
	}
	h.samples = append(h.samples, next)
	h.last, h.made = m, now
	return m
}

// counts returns the counts that rates are taken of.
func counts(in *runtime.Inspection) map[countKey]int64 {
	c := map[countKey]int64{}
	for _, o := range in.Operators {
		c[countKey{"operator", o.ID}] = o.Calls
	}
	for _, t := range in.Topics {
		c[countKey{"consumed", t.Name}], c[countKey{"sent", t.Name}] = t.Consumed, t.Sent
	}
	for _, t := range in.Status.Tasks {
		c[countKey{"task", t.Name}] = t.Processed
	}
	return c
}

// rates returns the changes between two samples. A count that is less than before belongs to a task that came anew.
func rates(from, to sample) Rates {
	r := Rates{map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}}
	seconds := max(to.at.Sub(from.at).Seconds(), 0.001)
	of := map[string]map[string]float64{"operator": r.Operators, "consumed": r.Consumed, "sent": r.Sent, "task": r.Tasks}
	for key, n := range to.counts {
		if before, ok := from.counts[key]; ok {
			of[key.kind][key.name] = float64(max(0, n-before)) / seconds
		}
	}
	return r
}

// Build names the program.
type Build struct{ Program, Version, Go string }

func build() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{}
	}
	b := Build{Program: info.Main.Path, Version: info.Main.Version, Go: info.GoVersion}
	if i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" }); i >= 0 && b.Version == "" {
		b.Version = info.Settings[i].Value
	}
	return b
}
