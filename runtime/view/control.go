package view

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/runtime"
)

// Request is the body of POST /pause and POST /resume, as JSON. Without topic and sub_topology it means everything.
type Request struct {
	runtime.Scope
	// Reason is shown to people. A resume has none.
	Reason string `json:"reason,omitempty"`
}

// pauseWait is how long an answer waits for tasks to stand still. They do so later all the same.
const pauseWait = 10 * time.Second

// control returns the handler of a change. The token comes in a header that no form and no other site can send: browsers ask this handler first
// whether they may, and it does not answer that. Requests of a browser from another site are refused for that alone.
func (h *handler) control(change func(context.Context, Request) error) http.HandlerFunc {
	var sites http.CrossOriginProtection
	want := sha256.Sum256([]byte(h.options.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		if err := sites.Check(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token)) // equal lengths, so that the time tells nothing
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !found {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token is wrong: send Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		var request Request
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&request); err != nil {
			http.Error(w, errScope.Error()+": "+err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), pauseWait)
		defer cancel()
		switch err := change(ctx, request); {
		case errors.Is(err, weir.ErrConfiguration):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil: // the tasks stand still later
			http.Error(w, err.Error(), http.StatusAccepted)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

func (h *handler) pause(ctx context.Context, r Request) error {
	return h.app.Pause(ctx, r.Scope, r.Reason)
}

func (h *handler) resume(_ context.Context, r Request) error { return h.app.Resume(r.Scope) }
