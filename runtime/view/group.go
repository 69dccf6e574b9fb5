package view

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Group is all members that a page shows: /group.json.
type Group struct {
	Name string `json:"name"`
	// Members are this one, and then Options.Peers.
	Members []*Member `json:"members"`
	// Figures are the sums over all members, by the names of boxes.
	Figures map[string]Figures `json:"figures"`
}

// Figures are those of a box of the picture, over all members.
type Figures struct {
	// PerSecond is the rate of an operator, or that of the records that leave a topic; In is that of the records that are written to a topic.
	PerSecond float64 `json:"per_second"`
	In        float64 `json:"in_per_second"`
	// Calls is the count behind the rate, Failed the failures of an operator, and Lag the lag of a topic.
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed"`
	Lag    int64 `json:"lag"`
}

const (
	// peerTimeout is how long a peer may take to answer, and peerBytes how much of its answer is read.
	peerTimeout = time.Second
	peerBytes   = 16 << 20
)

// group returns the state of all members.
func (h *handler) group(ctx context.Context) *Group {
	own := h.member()
	g := &Group{Name: own.Group, Members: []*Member{own}, Figures: map[string]Figures{}}
	peers := make([]*Member, len(h.options.Peers))
	var asking sync.WaitGroup
	for i, address := range h.options.Peers {
		asking.Go(func() { peers[i] = h.peer(ctx, address) })
	}
	asking.Wait()
	for _, p := range peers {
		if p.Name != own.Name || p.Error != "" { // else it is this member
			g.Members = append(g.Members, p)
		}
	}
	for _, m := range g.Members {
		g.add(m)
	}
	return g
}

// add adds the figures of a member.
func (g *Group) add(m *Member) {
	for _, o := range m.Operators {
		f := g.Figures[o.ID]
		f.PerSecond += m.Rates.Operators[o.ID]
		f.Calls += o.Calls
		f.Failed += o.Failed
		g.Figures[o.ID] = f
	}
	for _, t := range m.Topics {
		if t.ID == "" {
			continue
		}
		f := g.Figures[t.ID]
		f.PerSecond += m.Rates.Consumed[t.Name]
		f.In += m.Rates.Sent[t.Name]
		f.Calls += t.Consumed
		f.Lag += t.Lag
		g.Figures[t.ID] = f
	}
}

// peer asks a peer. One that does not answer is a member with an error.
func (h *handler) peer(ctx context.Context, address string) *Member {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	m, err := h.ask(ctx, strings.TrimSuffix(address, "/")+"/member.json")
	if err == nil && m.Group != h.app.Group() {
		err = fmt.Errorf("it is a member of the group %q", m.Group)
	}
	if err != nil {
		return &Member{Name: address, Address: address, Group: h.app.Group(), Error: err.Error()}
	}
	m.Address = address
	return m
}

func (h *handler) ask(ctx context.Context, url string) (*Member, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := h.options.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	var m Member
	if err := json.NewDecoder(io.LimitReader(response.Body, peerBytes)).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return &m, nil
}
