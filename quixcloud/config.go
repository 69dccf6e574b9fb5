package quixcloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
)

// Environment variables of the platform, beside those of package portal. Empty ones count as missing.
const (
	// BrokerVariable has the default of Options.Brokers.
	BrokerVariable = "Quix__Broker__Address"
	// GroupVariable has the default of Options.Group.
	GroupVariable = "Quix__Consumer_Group"
	// DeploymentVariable is set where the program is deployed on the platform.
	DeploymentVariable = "Quix__Deployment__Id"
	// StateEnabledVariable is "true" where the platform keeps the state of a deployment.
	StateEnabledVariable = "Quix__Deployment__State__Enabled"
	// StatePathVariable has the default of Options.StateDir.
	StatePathVariable = "Quix__Deployment__State__Path"
	// StateDirVariable is the former name of StatePathVariable, which wins.
	StateDirVariable = "Quix__State__Dir"
)

const (
	// defaultGroup is the group of Quix Streams.
	defaultGroup = "quixstreams-default"
	// deployedState is the folder of the state of a deployment, unless the environment names another.
	deployedState = "/app/state"
)

// Options say where the program belongs. The zero value takes everything from the environment, as is right on the platform. An option
// wins over the environment.
type Options struct {
	// Portal has the token and the address of the portal.
	Portal portal.Config

	// Workspace is the id or the name of the workspace. The default is in Quix__Workspace__Id, or else the only workspace that the
	// token is good for.
	Workspace string

	// Topic is the name or id of a topic. A token that is good for several workspaces finds the workspace by it, if Workspace is empty.
	Topic string

	// Brokers are addresses of a cluster outside of the platform, as host:port. With Brokers the portal is not called and no token is needed.
	// The default is in Quix__Broker__Address, separated by commas.
	Brokers []string

	// Group is the consumer group, without the workspace. The default is in Quix__Consumer_Group, or else "quixstreams-default".
	Group string

	// StateDir is the folder of the state. The default is in Quix__Deployment__State__Path, or else in Quix__State__Dir, or
	// else /app/state where the program is deployed on the platform, or else that of runtime.Config.
	StateDir string

	// TopicTimeout is how long topics may take until they are ready. The default is 1 minute.
	TopicTimeout time.Duration

	// Logger is where the log goes. The default is slog.Default.
	Logger *slog.Logger
}

// Config returns a configuration for [runtime.New]: Connection, Group, Prefix, State.Dir, Logger, Topics.Create and Topics.Admin. The caller may change
// the other fields. It asks the portal for the workspace, its cluster and its topics, once; it reads the environment then.
//
// A missing token or address is a weir.ErrConfiguration. Other errors are those of package portal.
func Config(ctx context.Context, options Options) (runtime.Config, error) {
	logger := cmp.Or(options.Logger, slog.Default())
	if options.TopicTimeout < 0 {
		return runtime.Config{}, fmt.Errorf("%w: quixcloud: TopicTimeout is negative", weir.ErrConfiguration)
	}
	config := runtime.Config{
		Group: cmp.Or(options.Group, os.Getenv(GroupVariable), defaultGroup), Logger: logger, Topics: runtime.TopicConfig{Create: true},
		State: runtime.StateConfig{Dir: stateDir(options.StateDir, logger)},
	}
	brokers := options.Brokers
	if address := os.Getenv(BrokerVariable); len(brokers) == 0 && address != "" {
		brokers = strings.Split(address, ",")
	}
	if len(brokers) > 0 {
		config.Connection = kafka.Connection{Brokers: brokers}
		return config, nil
	}
	options.Portal.Logger = cmp.Or(options.Portal.Logger, logger)
	client, err := portal.New(options.Portal)
	if err != nil {
		return runtime.Config{}, fmt.Errorf("%w (or name a cluster outside of the platform: set Brokers or %s)", err, BrokerVariable)
	}
	workspace, err := client.FindWorkspace(ctx, cmp.Or(options.Workspace, os.Getenv(portal.WorkspaceVariable)), options.Topic)
	if err != nil {
		return runtime.Config{}, fmt.Errorf("quixcloud: find the workspace: %w", err)
	}
	if config.Connection, err = client.Connection(ctx, workspace.ID); err != nil {
		return runtime.Config{}, fmt.Errorf("quixcloud: connection of workspace %q: %w", workspace.ID, err)
	}
	topics, err := client.Topics(ctx, workspace.ID)
	if err != nil {
		return runtime.Config{}, fmt.Errorf("quixcloud: topics of workspace %q: %w", workspace.ID, err)
	}
	config.Prefix = workspace.ID + "-"
	config.Group = strings.TrimPrefix(config.Group, config.Prefix)
	config.Topics.Admin = newAdmin(client, workspace.ID, topics, cmp.Or(options.TopicTimeout, time.Minute), logger)
	logger.Info("using the cluster of a workspace of Quix Cloud", "workspace", workspace.ID, "name", workspace.Name, "brokers", config.Connection.Brokers)
	return config, nil
}

// stateDir returns the folder of the state, or nothing for the default. It warns of folders that the platform does not keep.
func stateDir(option string, logger *slog.Logger) string {
	former, deployed := os.Getenv(StateDirVariable), os.Getenv(DeploymentVariable) != ""
	if former != "" {
		logger.Warn(StateDirVariable + " is deprecated: set " + StatePathVariable)
	}
	kept := cmp.Or(os.Getenv(StatePathVariable), former)
	if deployed {
		kept = cmp.Or(kept, deployedState)
	}
	dir := cmp.Or(option, kept)
	if !deployed || dir == kept {
		return dir
	}
	if absolute, err := filepath.Abs(dir); err != nil || absolute != filepath.Clean(kept) {
		logger.Warn("the platform does not keep the folder of the state: every restart restores all of it from the changelogs",
			"folder", dir, "kept", kept, "error", err)
	}
	return dir
}

// errMoved says that a topic has another id than Config was told.
var errMoved = errors.New("the platform has given it another id: start the program again")
