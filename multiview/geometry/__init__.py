"""Pure array functions of multiple-view geometry."""
