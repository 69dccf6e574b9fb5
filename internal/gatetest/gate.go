// Package gatetest has a proxy that tests put in front of an HTTP service, to break it.
package gatetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Gate is a proxy in front of a service that can answer in its place.
type Gate struct {
	// URL is the address of the gate.
	URL   string
	proxy *httputil.ReverseProxy

	mu      sync.Mutex // guards answers
	answers map[string]http.HandlerFunc
}

// New opens a gate in front of an address. Requests are handed on as they are, so that their signatures stay right.
func New(tb testing.TB, address string) *Gate {
	tb.Helper()
	target, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	g := &Gate{answers: map[string]http.HandlerFunc{}}
	g.proxy = &httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true}, // so that no goroutine of the gate is left
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := g.answer(r); answer != nil {
			answer(w, r)
			return
		}
		g.Forward(w, r)
	}))
	tb.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

func (g *Gate) answer(r *http.Request) http.HandlerFunc {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := r.URL.String()
	for part, answer := range g.answers {
		if strings.Contains(text, part) {
			return answer
		}
	}
	return nil
}

// Forward hands a request on.
func (g *Gate) Forward(w http.ResponseWriter, r *http.Request) { g.proxy.ServeHTTP(w, r) }

// ForwardCut hands a request on, and breaks the connection after a number of bytes of the answer.
func (g *Gate) ForwardCut(w http.ResponseWriter, r *http.Request, after int) {
	g.Forward(&cutWriter{ResponseWriter: w, left: after}, r)
}

// Answer answers requests with a text in their URL until end is called.
func (g *Gate) Answer(part string, answer http.HandlerFunc) (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[part] = answer
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.answers, part)
	}
}

// Cut hands requests with a text in their URL on, and breaks the connection after a number of bytes of each answer, until end is called.
func (g *Gate) Cut(part string, after int) (end func()) {
	return g.Answer(part, func(w http.ResponseWriter, r *http.Request) {
		g.ForwardCut(w, r, after)
	})
}

// Pass hands requests with a text in their URL on, when before has returned, until end is called.
func (g *Gate) Pass(part string, before func(r *http.Request)) (end func()) {
	return g.Answer(part, func(w http.ResponseWriter, r *http.Request) {
		before(r)
		g.Forward(w, r)
	})
}

// Refuse answers with a fault as S3 does, and as Azure does, which repeats the code in a header.
func Refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ms-Error-Code", code)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>said the gate</Message></Error>", code) // the client is gone
	}
}

// cutWriter breaks the connection of an answer that is too long.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(data []byte) (int, error) {
	if len(data) <= c.left {
		c.left -= len(data)
		return c.ResponseWriter.Write(data)
	}
	if _, err := c.ResponseWriter.Write(data[:c.left]); err != nil {
		return 0, err
	}
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
