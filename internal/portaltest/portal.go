// Package portaltest has a portal of Quix Cloud for tests: an HTTP handler that answers as the interface describes it, and fails as it is told.
package portaltest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Token is the token that the portal accepts.
const Token = "sdk-t0ken-of-the-tests"

// Portal is a portal. Set its fields before it is used.
type Portal struct {
	// Make makes a topic on a cluster, with its id, after the portal was asked for it. nil makes none.
	Make func(Topic) error
	// Denied says that the token is good for single workspaces, and not for their list.
	Denied bool

	mu         sync.Mutex // guards the rest
	workspaces []*Workspace
	faults     []*fault
	requests   []string
}

// Workspace is a workspace of the portal.
type Workspace struct {
	ID, Name string
	// Connection has the settings of the cluster.
	Connection map[string]any
	// Certificate is the answer to the request for certificates.
	Certificate []byte
	// Old answers without brokerSettings.
	Old bool
	// Prefix stands before the names of topics in their ids. The default is the id of the workspace and a dash.
	Prefix string
	// Pending is how often topics are asked for before one that was made is ready. A negative number never makes it ready.
	Pending int
	// Broken is the lastError of topics that are made, which are in the state of an error then.
	Broken string
	// MaxPartitions is the quota of partitions of a topic. 0 is none.
	MaxPartitions int
	// Topics are those that exist.
	Topics []Topic

	taken atomic.Bool
}

// Topic is a topic of the portal. Policy is one of the portal's words.
type Topic struct {
	ID, Name, Status, LastError string
	Partitions, Replication     int
	Minutes, Bytes              int64
	Policy                      string

	asked int
}

// New returns a portal with workspaces, which belong to it from then on: it panics for one that another portal has.
func New(workspaces ...*Workspace) *Portal {
	for _, w := range workspaces {
		if w.taken.Swap(true) {
			panic("portaltest: workspace " + w.ID + " belongs to another portal")
		}
	}
	return &Portal{workspaces: workspaces}
}

// Change changes a workspace between two requests.
func (p *Portal) Change(workspace string, change func(*Workspace)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.workspace(workspace))
}

// fault is an answer in the place of the portal's.
type fault struct {
	request string
	times   int
	answer  http.HandlerFunc
}

// Fail answers the next requests, as "GET /workspaces", by a function. times is how many; a negative number means all.
func (p *Portal) Fail(request string, times int, answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &fault{request, times, answer})
}

// Answer returns an answer with a status and a body.
func Answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// HangUp closes the connection without an answer.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// CutOff closes the connection in the middle of the answer.
func CutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"workspaceId":"w`)
}

// Silent answers when the client has given up.
func Silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Requests returns the requests so far, as method and path.
func (p *Portal) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Topics returns the topics of a workspace.
func (p *Portal) Topics(workspace string) []Topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.workspace(workspace).Topics)
}

// Add adds a topic to a workspace.
func (p *Portal) Add(workspace string, topic Topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workspace(workspace)
	w.Topics = append(w.Topics, topic)
}

// Client returns a client that calls the portal without a network, so that it can be used in a bubble of testing/synctest.
func (p *Portal) Client() *http.Client { return &http.Client{Transport: transport{p}} }

type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (response *http.Response, err error) {
	recorder := httptest.NewRecorder()
	defer func() {
		if recovered := recover(); recovered != nil {
			err = errors.New("connection reset by peer")
		}
	}()
	t.handler.ServeHTTP(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response = recorder.Result()
	if length, err := strconv.Atoi(response.Header.Get("Content-Length")); err == nil && length > recorder.Body.Len() {
		response.Body = io.NopCloser(io.MultiReader(recorder.Body, broken{}))
	}
	return response, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP implements http.Handler.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Method + " " + r.URL.EscapedPath()
	if answer := p.note(request); answer != nil {
		answer(w, r)
		return
	}
	w.Header().Set("X-Correlation-Id", "c0rrelation")
	refuse := func(status int, message string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": message, "correlationId": "c0rrelation"})
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		refuse(http.StatusUnauthorized, "Invalid token "+r.Header.Get("Authorization"))
		return
	case r.Header.Get("X-Version") != "2.0":
		refuse(http.StatusBadRequest, "Unknown version")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	is := func(method string, pattern ...string) bool {
		if r.Method != method || len(path) != len(pattern) {
			return false
		}
		for i, part := range pattern {
			if part != "*" && part != path[i] {
				return false
			}
		}
		return true
	}
	answer := func(value any) { _ = json.NewEncoder(w).Encode(value) }
	switch {
	case is("GET", "auth", "token", "details"):
		answer(map[string]any{"kind": "sdk"})
	case is("GET", "workspaces"):
		if p.Denied {
			refuse(http.StatusForbidden, "The token cannot list workspaces")
			return
		}
		all := []any{}
		for _, w := range p.workspaces {
			all = append(all, w.answer())
		}
		answer(all)
	case is("GET", "workspaces", "*"), is("GET", "workspaces", "*", "certificates"), is("GET", "workspaces", "*", "broker", "librdkafka"):
		workspace := p.workspace(path[1])
		switch {
		case workspace == nil:
			refuse(http.StatusNotFound, "No workspace "+path[1])
		case len(path) == 2:
			answer(workspace.answer())
		case len(path) == 3:
			_, _ = w.Write(workspace.Certificate)
		default:
			answer(workspace.Connection)
		}
	case len(path) > 1 && path[1] == "topics":
		workspace := p.workspace(path[0])
		if workspace == nil {
			refuse(http.StatusNotFound, "No workspace "+path[0])
			return
		}
		workspace.progress()
		switch {
		case is("GET", "*", "topics"):
			all := []any{}
			for _, t := range workspace.Topics {
				all = append(all, t.answer())
			}
			answer(all)
		case is("GET", "*", "topics", "*"):
			for _, t := range workspace.Topics {
				if t.Name == path[2] || t.ID == path[2] {
					answer(t.answer())
					return
				}
			}
			refuse(http.StatusNotFound, "No topic "+path[2])
		case is("POST", "*", "topics"):
			p.create(workspace, r, answer, refuse)
		default:
			refuse(http.StatusMethodNotAllowed, "No such request")
		}
	default:
		refuse(http.StatusNotFound, "No such request")
	}
}

// note counts a request, and returns the answer of Fail for it.
func (p *Portal) note(request string) http.HandlerFunc {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, request)
	for _, f := range p.faults {
		if f.times != 0 && f.request == request {
			f.times--
			return f.answer
		}
	}
	return nil
}

func (p *Portal) workspace(id string) *Workspace {
	for _, w := range p.workspaces {
		if w.ID == id {
			return w
		}
	}
	return nil
}

// progress makes topics ready that were asked for often enough.
func (w *Workspace) progress() {
	for i := range w.Topics {
		t := &w.Topics[i]
		if t.asked++; t.Status == "Creating" && w.Pending >= 0 && t.asked > w.Pending {
			t.Status = "Ready"
		}
	}
}

// create answers a request to make a topic.
func (p *Portal) create(w *Workspace, r *http.Request, answer func(any), refuse func(int, string)) {
	var body struct {
		Name          string
		Configuration struct {
			Partitions, ReplicationFactor        *int
			RetentionInMinutes, RetentionInBytes *int64
			CleanupPolicy                        *string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(http.StatusBadRequest, err.Error())
		return
	}
	prefix := w.Prefix
	if prefix == "" {
		prefix = w.ID + "-"
	}
	c := body.Configuration
	t := Topic{ID: prefix + body.Name, Name: body.Name, Status: "Creating", Partitions: 1, Replication: 1, Minutes: 10080, Bytes: 52428800, Policy: "Delete"}
	if c.Partitions != nil {
		t.Partitions = *c.Partitions
	}
	if c.ReplicationFactor != nil {
		t.Replication = *c.ReplicationFactor
	}
	if c.RetentionInMinutes != nil {
		t.Minutes = *c.RetentionInMinutes
	}
	if c.RetentionInBytes != nil {
		t.Bytes = *c.RetentionInBytes
	}
	if c.CleanupPolicy != nil {
		policy, ok := map[string]string{"delete": "Delete", "compact": "Compact", "deleteandcompact": "DeleteAndCompact"}[strings.ToLower(*c.CleanupPolicy)]
		if !ok {
			refuse(http.StatusBadRequest, "Unknown cleanupPolicy")
			return
		}
		t.Policy = policy
	}
	switch {
	case slices.ContainsFunc(w.Topics, func(o Topic) bool { return o.Name == t.Name }):
		refuse(http.StatusBadRequest, fmt.Sprintf("Topic with similar name '%s' already exists", t.Name))
		return
	case w.MaxPartitions > 0 && t.Partitions > w.MaxPartitions:
		refuse(http.StatusBadRequest, fmt.Sprintf("Quota: a topic may have %d partitions", w.MaxPartitions))
		return
	}
	if w.Broken != "" {
		t.Status, t.LastError = "Error", w.Broken
	}
	if p.Make != nil && w.Broken == "" {
		if err := p.Make(t); err != nil {
			refuse(http.StatusInternalServerError, err.Error())
			return
		}
	}
	w.Topics = append(w.Topics, t)
	answer(t.answer())
}

// answer is the answer about a workspace. It has members that clients do not know.
func (w *Workspace) answer() any {
	all := map[string]any{"workspaceId": w.ID, "name": w.Name, "brokerType": "Quix", "new": map[string]any{"a": []int{1}}}
	if !w.Old {
		all["brokerSettings"] = map[string]any{"brokerType": "SharedKafka", "syncTopics": true, "new": 1}
	}
	return all
}

func (t *Topic) answer() any {
	all := map[string]any{"id": t.ID, "name": t.Name, "status": t.Status, "lastError": nil, "new": true, "configuration": map[string]any{
		"partitions": t.Partitions, "replicationFactor": t.Replication, "retentionInMinutes": t.Minutes, "retentionInBytes": t.Bytes,
		"cleanupPolicy": t.Policy, "new": nil,
	}}
	if t.LastError != "" {
		all["lastError"] = t.LastError
	}
	return all
}

// Archive returns a zip archive with one file.
func Archive(name string, content []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	file, err := w.Create(name)
	if err == nil {
		_, err = file.Write(content)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}
