"""Files that a project starts with: settings in Cargo.toml, workflows for GitHub and GitLab. Text from values, pure."""
