package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Workspace is a workspace of the platform: a set of topics on a cluster.
type Workspace struct {
	// ID is part of the names of topics and groups on the cluster; Name is for people.
	ID, Name string
	// BrokerType names the kind of the cluster, and SyncTopics says that the platform takes over topics that others make there.
	BrokerType string
	SyncTopics bool
}

// UnmarshalJSON reads the answer of the portal. Old versions have brokerType beside the rest, and no settings.
func (w *Workspace) UnmarshalJSON(text []byte) error {
	type settings struct {
		BrokerType string `json:"brokerType"`
		SyncTopics bool   `json:"syncTopics"`
	}
	var answer struct {
		WorkspaceID    string    `json:"workspaceId"`
		Name           string    `json:"name"`
		BrokerType     string    `json:"brokerType"`
		BrokerSettings *settings `json:"brokerSettings"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.WorkspaceID == "" {
		return errors.New("a workspace without workspaceId")
	}
	*w = Workspace{ID: answer.WorkspaceID, Name: answer.Name, BrokerType: answer.BrokerType}
	if s := answer.BrokerSettings; s != nil {
		w.BrokerType, w.SyncTopics = s.BrokerType, s.SyncTopics
	}
	return nil
}

// TokenDetails returns the portal's description of the token.
func (c *Client) TokenDetails(ctx context.Context) (details map[string]any, err error) {
	return details, c.get(ctx, &details, "auth", "token", "details")
}

// Workspaces returns the workspaces that the token is good for.
func (c *Client) Workspaces(ctx context.Context) (all []Workspace, err error) {
	return all, c.get(ctx, &all, "workspaces")
}

// Workspace returns a workspace by its id. The error is an ErrNotFound if there is none.
func (c *Client) Workspace(ctx context.Context, id string) (w Workspace, err error) {
	return w, c.get(ctx, &w, "workspaces", id)
}

// FindWorkspace returns the workspace with an id or a name. If workspace is empty it is the only one that the token is good for, or else
// the first one with a topic of that name or id. The error is an ErrWorkspace if none fits, or if several could be meant.
func (c *Client) FindWorkspace(ctx context.Context, workspace, topic string) (Workspace, error) {
	if workspace != "" {
		return c.namedWorkspace(ctx, workspace)
	}
	all, err := c.Workspaces(ctx)
	switch {
	case err != nil:
		return Workspace{}, err
	case len(all) == 0:
		return Workspace{}, fmt.Errorf("%w: the token is good for none", ErrWorkspace)
	case len(all) == 1:
		return all[0], nil
	case topic == "":
		return Workspace{}, fmt.Errorf("%w: the token is good for %s: set the workspace or the environment variable %s, or name a topic",
			ErrWorkspace, listed(all), WorkspaceVariable)
	}
	for _, w := range all {
		topics, err := c.Topics(ctx, w.ID)
		if err != nil {
			return Workspace{}, err
		}
		if slices.ContainsFunc(topics, func(t Topic) bool { return t.Name == topic || t.ID == topic }) {
			return w, nil
		}
	}
	return Workspace{}, fmt.Errorf("%w: topic %q is in none of %s", ErrWorkspace, topic, listed(all))
}

// namedWorkspace returns the workspace with an id, or else with a name.
func (c *Client) namedWorkspace(ctx context.Context, workspace string) (Workspace, error) {
	found, err := c.Workspace(ctx, workspace)
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Status == http.StatusUnauthorized || errors.Is(err, ErrUnavailable) {
		return found, err
	}
	all, failed := c.Workspaces(ctx)
	if failed != nil {
		return Workspace{}, err // the first error has the reason: a token may be good for one workspace, and not for the list
	}
	for _, w := range all {
		if w.Name == workspace || w.ID == workspace {
			return w, nil
		}
	}
	return Workspace{}, fmt.Errorf("%w: %q is neither the id nor the name of one that the token is good for (%s): %w", ErrWorkspace, workspace, listed(all), err)
}

// listed names workspaces for people.
func listed(all []Workspace) string {
	if len(all) == 0 {
		return "no workspace"
	}
	names := make([]string, len(all))
	for i, w := range all {
		names[i] = fmt.Sprintf("%q (%s)", w.ID, w.Name)
	}
	return strings.Join(names, ", ")
}
