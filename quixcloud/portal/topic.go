package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings of topics that the portal knows, by Kafka's names.
const (
	retentionMillis = "retention.ms"
	retentionBytes  = "retention.bytes"
	cleanupPolicy   = "cleanup.policy"
)

// Topic is a topic of a workspace.
type Topic struct {
	// ID is the name of the topic on the cluster, and Name the name that programs use.
	ID, Name string
	// Status is "Ready" when the topic can be used, and "Error" when it never will; LastError says why.
	Status, LastError string
	// Partitions and Replication are the numbers of partitions and replicas, 0 if the portal does not tell them.
	Partitions  int32
	Replication int16
	// Config has retention.ms, retention.bytes and cleanup.policy, as far as the portal tells them. -1 is no limit. Client.Topics
	// leaves a policy that is unknown as it is.
	Config map[string]string
}

// topicSettings are the settings of a topic in answers and requests.
type topicSettings struct {
	Partitions         *int32  `json:"partitions"`
	ReplicationFactor  *int16  `json:"replicationFactor"`
	RetentionInMinutes *int64  `json:"retentionInMinutes"`
	RetentionInBytes   *int64  `json:"retentionInBytes"`
	CleanupPolicy      *string `json:"cleanupPolicy"`
}

// UnmarshalJSON reads the answer of the portal.
func (t *Topic) UnmarshalJSON(text []byte) error {
	var answer struct {
		ID            string        `json:"id"`
		Name          string        `json:"name"`
		Status        string        `json:"status"`
		LastError     string        `json:"lastError"`
		Configuration topicSettings `json:"configuration"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.ID == "" || answer.Name == "" {
		return errors.New("a topic without id or name")
	}
	*t = Topic{ID: answer.ID, Name: answer.Name, Status: answer.Status, LastError: answer.LastError, Config: map[string]string{}}
	s := answer.Configuration
	if s.Partitions != nil {
		t.Partitions = *s.Partitions
	}
	if s.ReplicationFactor != nil {
		t.Replication = *s.ReplicationFactor
	}
	if s.RetentionInMinutes != nil {
		t.Config[retentionMillis] = strconv.FormatInt(millis(*s.RetentionInMinutes), 10)
	}
	if s.RetentionInBytes != nil {
		t.Config[retentionBytes] = strconv.FormatInt(max(*s.RetentionInBytes, -1), 10)
	}
	if s.CleanupPolicy != nil {
		t.Config[cleanupPolicy] = cmp.Or(policies[strings.ToLower(*s.CleanupPolicy)], *s.CleanupPolicy)
	}
	return nil
}

// check refuses a policy that is none of Kafka's. Lists of topics are not checked: one topic must not keep all others from use.
func (t *Topic) check() error {
	if policy := t.Config[cleanupPolicy]; policy != "" && !slices.Contains(slices.Collect(maps.Values(policies)), policy) {
		return fmt.Errorf("topic %q: cleanupPolicy %q is unknown: want Delete, Compact or DeleteAndCompact", t.Name, policy)
	}
	return nil
}

// policies are the portal's words for cleanup.policy, in lower case.
var policies = map[string]string{"delete": "delete", "compact": "compact", "deleteandcompact": "delete,compact"}

// millis converts minutes. Any negative number stands for no limit.
func millis(minutes int64) int64 {
	switch {
	case minutes < 0:
		return -1
	case minutes > math.MaxInt64/60_000:
		return math.MaxInt64
	}
	return minutes * 60_000
}

// NewTopic describes a topic to be made. Numbers that are 0 or negative, and settings that are missing, are left to the platform.
type NewTopic struct {
	// Name is the name that programs use. The platform makes the ID of it.
	Name        string
	Partitions  int32
	Replication int16
	// Config may have retention.ms, which counts in whole minutes, retention.bytes and cleanup.policy. The portal takes no others:
	// see PortalConfig.
	Config map[string]string
}

// maxNameLength is the longest name of a topic, in bytes.
const maxNameLength = 249

// request returns the body of the request that makes the topic, or everything that is wrong with it.
func (t NewTopic) request() ([]byte, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch {
	case t.Name == "":
		problem("the name is empty")
	case len(t.Name) > maxNameLength:
		problem("the name has %d characters, the platform allows %d", len(t.Name), maxNameLength)
	}
	var s topicSettings
	if t.Partitions > 0 {
		s.Partitions = &t.Partitions
	}
	if t.Replication > 0 {
		s.ReplicationFactor = &t.Replication
	}
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		value := t.Config[name]
		switch name {
		case retentionMillis:
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil || n < -1:
				problem("%s=%s: want a number of milliseconds, or -1", name, value)
			case n >= 0 && n < 60_000:
				problem("%s=%s: the platform counts whole minutes: want 60000 or more, or -1", name, value)
			default:
				minutes := n / 60_000
				if n < 0 {
					minutes = -1
				}
				s.RetentionInMinutes = &minutes
			}
		case retentionBytes:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < -1 {
				problem("%s=%s: want a number of bytes, or -1", name, value)
			}
			s.RetentionInBytes = &n
		case cleanupPolicy:
			switch value {
			case "delete", "compact":
			case "delete,compact", "compact,delete":
				value = "DeleteAndCompact"
			default:
				problem("%s=%s: want delete, compact or both", name, value)
			}
			s.CleanupPolicy = &value
		default:
			problem("%s: the portal does not take this setting", name)
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w %q cannot be made: %w", ErrTopic, t.Name, errors.Join(problems...))
	}
	return json.Marshal(struct {
		Name          string        `json:"name"`
		Configuration topicSettings `json:"configuration"`
	}{t.Name, s})
}

// PortalConfig returns the settings of a topic that the portal takes.
func PortalConfig(config map[string]string) map[string]string {
	taken := map[string]string{}
	for _, name := range []string{retentionMillis, retentionBytes, cleanupPolicy} {
		if value, ok := config[name]; ok {
			taken[name] = value
		}
	}
	return taken
}

// Topics returns the topics of a workspace.
func (c *Client) Topics(ctx context.Context, workspace string) (all []Topic, err error) {
	return all, c.get(ctx, &all, workspace, "topics")
}

// Topic returns a topic by its name. The error is an ErrNotFound if there is none.
func (c *Client) Topic(ctx context.Context, workspace, name string) (t Topic, err error) {
	if err = c.get(ctx, &t, workspace, "topics", name); err != nil {
		return Topic{}, err
	}
	if err := t.check(); err != nil {
		return Topic{}, c.misunderstood(err, workspace, "topics", name)
	}
	return t, nil
}

// CreateTopic makes a topic. It need not be ready yet: see AwaitReady. The error is an ErrExists if the workspace has a topic of this or a similar
// name, and an ErrTopic if the description has mistakes, or the platform has made another number of partitions or another
// cleanup.policy than was asked for. It does not send the request again after a failure that leaves open whether the topic was made.
func (c *Client) CreateTopic(ctx context.Context, workspace string, topic NewTopic) (made Topic, err error) {
	body, err := topic.request()
	if err != nil {
		return Topic{}, err
	}
	data, err := c.send(ctx, http.MethodPost, body, workspace, "topics")
	if err != nil {
		return Topic{}, fmt.Errorf("make topic %q: %w", topic.Name, err)
	}
	if err := c.decode(data, &made, workspace, "topics"); err != nil {
		return Topic{}, fmt.Errorf("make topic %q: %w", topic.Name, err)
	}
	if err := made.check(); err != nil {
		return Topic{}, fmt.Errorf("make topic %q: %w", topic.Name, c.misunderstood(err, workspace, "topics"))
	}
	if topic.Partitions > 0 && made.Partitions > 0 && made.Partitions != topic.Partitions {
		return made, fmt.Errorf("%w %q was made with %d partitions, and %d were asked for", ErrTopic, topic.Name, made.Partitions, topic.Partitions)
	}
	asked, got := topic.Config[cleanupPolicy], made.Config[cleanupPolicy]
	if asked != "" && got != "" && strings.Contains(asked, "compact") != strings.Contains(got, "compact") {
		return made, fmt.Errorf("%w %q was made with cleanup.policy=%s, and %s was asked for", ErrTopic, topic.Name, got, asked)
	}
	return made, nil
}

// readyInterval is how often the portal is asked for topics that are not ready.
const readyInterval = time.Second

// AwaitReady waits until topics of a workspace, by their names, are ready, and returns them by name. A topic that the workspace does not
// have is absent from the result. The error is an ErrTopic that names each topic in the state of an error, with the
// reason, or each that is not ready within limit.
func (c *Client) AwaitReady(ctx context.Context, workspace string, limit time.Duration, names ...string) (map[string]Topic, error) {
	for began := time.Now(); ; {
		all, err := c.Topics(ctx, workspace)
		if err != nil {
			return nil, err
		}
		ready := map[string]Topic{}
		var failed, pending []string
		for _, t := range all {
			switch {
			case !slices.Contains(names, t.Name):
			case t.Status == "Ready":
				ready[t.Name] = t
			case t.Status == "Error":
				failed = append(failed, fmt.Sprintf("%q is in the state of an error: %s", t.Name, shorten(c.hide(t.LastError))))
			default:
				pending = append(pending, fmt.Sprintf("%q (%s)", t.Name, shorten(t.Status)))
			}
		}
		switch {
		case len(failed) > 0:
			return nil, fmt.Errorf("%w %s", ErrTopic, strings.Join(failed, "; "))
		case len(pending) == 0:
			return ready, nil
		case time.Since(began) >= limit:
			return nil, fmt.Errorf("%w: not ready within %v: %s", ErrTopic, limit, strings.Join(pending, ", "))
		}
		select {
		case <-time.After(readyInterval):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
