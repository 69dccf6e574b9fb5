// Package quixcloud configures programs for Quix Cloud: [Config] returns a runtime.Config with the connection, the group, the topics and
// the folder of the state of a workspace.
//
//	config, err := quixcloud.Config(ctx, quixcloud.Options{})
//	if err != nil { ... }
//	app, err := runtime.New(topology, config)
//
// On the platform nothing else is needed: the environment has the rest. Elsewhere the token and the address of the portal come from Options or from
// the same environment variables.
//
// Topics of the topology have their names in the workspace. The platform makes those that are missing, internal ones
// included. Run begins when all are ready. docs/quix-cloud.md has the rules.
package quixcloud
