package filesink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/weirstreams/weir/sink"
)

// Token names the prepared work of a checkpoint. A commit needs it.
type Token struct {
	// Work is the folder of the work, and First the name that its first file gets.
	Work  string `json:"work"`
	First string `json:"first"`
	Files int    `json:"files"`
}

// ParseToken reads a token.
func ParseToken(data []byte) (t Token, err error) {
	err = json.Unmarshal(data, &t)
	if err == nil && (t.Work == "" || t.Work != path.Base(t.Work)) {
		err = errors.New("it names no work")
	}
	if err != nil {
		return t, fmt.Errorf("token %q is not one of this sink: %w", data, err)
	}
	return t, nil
}

// WorkOf returns the name of the work of a checkpoint. The names of one owner are in the order of its checkpoints.
func WorkOf(c sink.Checkpoint) string { return fmt.Sprintf("%s-%019d", c.Epoch, c.ID) }

// OwnerOf returns the epoch of the owner in the name of a work.
func OwnerOf(work string) (epoch string, isWork bool) {
	epoch, _, isWork = strings.Cut(work, "-")
	return epoch, isWork
}

// Identity names the sink that a task belongs to among all sinks of all applications.
func Identity(task sink.Task) string {
	return strings.Join([]string{task.Application, task.SubTopology, task.Sink}, "\x00")
}

// Digest returns a short text for a long one.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// Unique returns a short text that names a checkpoint among those of all tasks. area names the place of the task's work.
func Unique(task sink.Task, area string, c sink.Checkpoint) string {
	return Digest(fmt.Sprintf("%s\x00%s\x00%s\x00%d", Identity(task), area, c.Epoch, c.ID))
}
